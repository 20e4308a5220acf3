"""Eyebright beside its peers, each in its own environment, in turns on one machine.

    EYEBRIGHT_DATA=FOLDER python bench/peers/run.py PLAIN timm=ENV transformers=ENV ultralytics=ENV

PLAIN is an environment with nothing but Eyebright; the others are made like this (N is the peer):

    python -m venv ENV && ENV/bin/pip install torch==2.13.0 && ENV/bin/pip install --no-deps torchvision==0.28.0
    ENV/bin/pip install N

64 photos of 12 megapixels, and the 1000 small photos of imagenet-sample; start-up included, files in the page cache.
"""

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import data
import measure

HERE = Path(__file__).parent
ROUNDS = 2


def main() -> None:
    print(measure.processor())
    environments = {"eyebright": Path(sys.argv[1])}
    environments |= {name: Path(place) for name, place in (pair.split("=") for pair in sys.argv[2:])}
    with tempfile.TemporaryDirectory() as folder:
        one, large = Path(folder) / "one", Path(folder) / "large"
        data.in_a_process("large_photos", large, 64)
        data.in_a_process("small_photos", one, 1)
        sample = data.in_a_process("small_photos", Path(folder) / "sample", 1000)
        rows = {}
        for what, photos in (("large", large), ("sample", sample), ("one", one)):
            for name, runs in measure.in_turns(commands(environments, photos), ROUNDS, warmup=0).items():
                count = len(list(photos.iterdir()))
                rows[name, what] = statistics.median(count / run.wall_s for run in runs)
                rows[name, what, "peak"] = max(run.peak_mb for run in runs)
    print(f"{'':<30} {'12 MP/s':>8} {'small/s':>8} {'one photo':>10} {'peak MB':>8} {'installed':>10}")
    for name in dict.fromkeys(key[0] for key in rows):
        home = environments.get(name, environments["eyebright"])
        print(
            f"{name:<30} {rows[name, 'large']:8.1f} {rows[name, 'sample']:8.1f} {1 / rows[name, 'one']:8.2f} s "
            f"{rows[name, 'large', 'peak']:8.0f} {installed_mb(home):7.0f} MB"
        )


def commands(environments: dict[str, Path], photos: Path) -> dict[str, list[str]]:
    plain = environments["eyebright"] / "bin"
    model = measure.run(
        [str(plain / "python"), "-c", "from eyebright import models; print(models.path())"]
    ).output.strip()
    script = [str(plain / "python"), str(HERE / "plain_script.py"), str(photos), model]
    found = {
        "eyebright": [str(plain / "eyebright"), "predict", str(photos), "--format", "json"],
        "plain onnxruntime + Pillow": script,
        "plain script with draft()": [*script, "--draft"],
    }
    for name, home in environments.items():
        if name != "eyebright":
            found[name] = [str(home / "bin" / "python"), str(HERE / f"{name}_script.py"), str(photos)]
    return found


def installed_mb(home: Path) -> float:
    """All that an environment holds beyond pip and setuptools."""
    packages = next((home / "lib").iterdir()) / "site-packages"
    left_out = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    files = (
        file
        for file in packages.rglob("*")
        if file.is_file() and not file.relative_to(packages).parts[0].startswith(left_out)
    )
    return sum(file.stat().st_size for file in files) / 1e6


if __name__ == "__main__":
    main()
