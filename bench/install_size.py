"""How much a plain install takes: every file of Eyebright and of what it pulls in, by package, as the disk has it.

PLAIN_ENVIRONMENT/bin/python bench/install_size.py      (in an environment where nothing else is installed)
"""

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

BAR_MB = 230
NOT_PULLED_IN = {"pip", "setuptools", "wheel"}


def size_bytes(distribution: Distribution) -> int:
    total = 0
    for file in distribution.files or []:
        path = Path(str(file.locate()))
        if path.is_file():
            total += path.stat().st_size
    return total


def main() -> int:
    here = {d.metadata["Name"].lower(): d for d in distributions() if d.metadata["Name"].lower() not in NOT_PULLED_IN}
    sizes = {name: size_bytes(distribution) / 1e6 for name, distribution in here.items()}
    for name, size in sorted(sizes.items(), key=lambda row: -row[1]):
        print(f"  {name:<20} {here[name].version:<12} {size:7.1f} MB")
    total = sum(sizes.values())
    print(f"  a plain install takes {total:.1f} MB; the bar is {BAR_MB} MB")
    return total > BAR_MB


if __name__ == "__main__":
    sys.exit(main())
