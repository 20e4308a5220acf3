"""What a person said of photos, after all that happens to files: renamed, moved, tagged, seen by another model.

    python bench/library/moves.py FOLDER [--photos 10000] [--said 1000]

FOLDER gets the photos and a library. A thousand photos are corrected (each says its own name); then a third of all
photos is renamed, a third moved into other folders, a third tagged by exiftool (keywords, a rating, orientation, all
metadata of every tenth stripped), and all are indexed again, with another model. Then each correction is looked for at
the photo where it belongs now, which is known from the renaming. The last line counts those that were lost.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

import eyebright
from eyebright.library import Library, decisions
from eyebright.library.decisions import Said
from eyebright.library.indexer import index

sys.path.append(__file__.rsplit("/", 2)[0])
from data import in_a_process

TAGS = ["-Subject=holiday", "-IPTC:Keywords=holiday", "-XMP:Rating=5", "-Orientation#=6", "-EXIF:Artist=Ada"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--said", type=int, default=1000)
    given = parser.parse_args()
    chance = random.Random(0)
    photos = in_a_process("different_photos", given.folder / "photos", given.photos)
    other = given.folder / "other.onnx"
    trim = ["models", "trim", "lite0", "--labels", "cat,dog,car", "-o", str(other), "--force"]
    subprocess.run([sys.executable, "-m", "eyebright", *trim], check=True, capture_output=True)
    with Library(given.folder / "library", make=True) as library:
        told("indexed", index(library, [str(photos)], eyebright.load()))
        paths = dict(library.rows("SELECT path, identity FROM file JOIN photo ON photo.id = photo WHERE NOT gone"))
        said = {path: f"photo {number}" for number, path in enumerate(chance.sample(sorted(paths), given.said))}
        for path, name in said.items():
            decisions.record(library, [Said("is", paths[path], label=name), Said("not", paths[path], label="a fake")])
        began = time.time()
        now = disturbed(photos, sorted(paths), chance)
        print(f"disturbed in {time.time() - began:.0f} s", flush=True)
        told("indexed again", index(library, [str(photos)], eyebright.load()))
        told("by another model", index(library, [str(photos)], eyebright.load(other, trust=True)))
        lost = sum(labels(library, now[path]) != {(name, 1), ("a fake", 0)} for path, name in said.items())
        print(f"{len(said)} corrections, {len(paths):,} photos; integrity {library.value('PRAGMA integrity_check')}")
        print(f"corrections lost: {lost}")


def labels(library: Library, path: str) -> set[tuple[str, int]]:
    sql = "SELECT label, holds FROM said JOIN photo ON identity = said.photo JOIN file ON file.photo = photo.id"
    return set(library.rows(f"{sql} WHERE path = ? AND NOT gone", path))


def disturbed(root: Path, paths: list[str], chance: random.Random) -> dict[str, str]:
    """Where each photo is afterwards."""
    now, tagged, stripped = {}, [], []
    for number, path in enumerate(paths):
        old = Path(path)
        new = old
        if number % 3 == 0:
            new = old.with_name(f"{chance.getrandbits(40):x}{old.suffix}")
        elif number % 3 == 1:
            new = root / f"moved {chance.randrange(20)}" / "deeper" / f"{number} {old.name}"
        elif number % 10 == 0:
            stripped.append(path)
        else:
            tagged.append(path)
        if new != old:
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)
        now[path] = str(new)
    for options, some in ((TAGS, tagged), (["-all="], stripped)):
        listed = root.parent / "tagged.txt"
        listed.write_text("\n".join(some))
        command = ["exiftool", "-q", "-q", "-m", "-overwrite_original", *options, "-@", str(listed)]
        subprocess.run(command, check=False)
    return now


def told(what: str, done: object) -> None:
    counts = done.counts()
    print(what, ", ".join(f"{count:,} {name}" for name, count in counts.items() if count), flush=True)


if __name__ == "__main__":
    main()
