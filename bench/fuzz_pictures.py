"""Feed mutated pictures to the decoder: each must end as a picture or a BadPicture, soon and in little memory.

    EYEBRIGHT_DATA=FOLDER python bench/fuzz_pictures.py --count 20000 --seed 0     (half a minute on 1 core)

FOLDER holds formats.zip, a corpus of whole and broken pictures. A child process makes and decodes the mutants, this
one watches: a crash or a hang is laid to its number, and the child goes on after it. `--only NUMBER --keep FILE`
makes one mutant again. Exits with 1 where a bar was missed.
"""

import argparse
import itertools
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from data import folder
from eyebright import images
from eyebright.errors import EyebrightError

HANG_S = 2.0
PEAK_MIB = 1024
LARGEST_SEED = 200_000
FRAMES = 20
"""A mutant that is decoded frame by frame is followed for so many."""
NUMBERS = [0, 1, 127, 128, 255, 256, 32767, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", default="", help="mutants of this format alone")
    parser.add_argument("--only", type=int, help="make and decode this mutant here, without a child")
    parser.add_argument("--keep", type=Path, help="where to write that mutant")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only is not None:
        one(chosen.seed, chosen.only, chosen.keep, chosen.format)
    elif chosen.child is not None:
        work(chosen.seed, chosen.child, chosen.count, chosen.format)
    else:
        raise SystemExit(watch(chosen.seed, chosen.count, chosen.format))


# the watcher --------------------------------------------------------------------------------------------------------


def watch(seed: int, count: int, kind: str) -> int:
    ends: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    slowest: list[tuple[float, int, str]] = []
    bad: list[str] = []
    peak_mib = 0.0
    began = time.monotonic()
    number = 0
    while number < count:
        number, rows, end = follow(seed, number, count, kind)
        for row in rows:
            ends[row["end"]] += 1
            formats[row["format"]] += 1
            slowest = sorted([*slowest, (row["s"], row["number"], row["format"])], reverse=True)[:5]
            peak_mib = max(peak_mib, row["peak_mib"])
            if row["end"] not in ("picture", "BadPicture"):
                bad.append(f"{row['number']} ({row['format']}): {row['end']}: {row['message']}")
            if row["s"] > HANG_S:
                bad.append(f"{row['number']} ({row['format']}): took {row['s']:.2f} s")
            if row["grown_mib"] > PEAK_MIB / 4:
                print(f"{row['number']} ({row['format']}): took {row['grown_mib']:.0f} MiB more", flush=True)
        if end:
            bad.append(f"{number} : {end}")
            ends[end] += 1
            number += 1
    print(f"{count} mutants, seed {seed}, {time.monotonic() - began:.0f} s")
    print("ends:", dict(ends.most_common()))
    print("formats:", dict(formats.most_common()))
    print("slowest:", ", ".join(f"{s:.2f} s (number {at}, {name})" for s, at, name in slowest))
    print(f"peak memory of a child: {peak_mib:.0f} MiB (bar: {PEAK_MIB})")
    if peak_mib > PEAK_MIB:
        bad.append(f"peak memory {peak_mib:.0f} MiB")
    print(f"bars missed: {len(bad)}", *bad, sep="\n  ")
    return int(bool(bad))


def follow(seed: int, first: int, count: int, kind: str) -> tuple[int, list[dict], str]:
    """Rows of one child until it is done, crashes or hangs: the number reached, the rows, how it ended ("": well)."""
    command = [
        sys.executable,
        __file__,
        "--seed",
        str(seed),
        "--count",
        str(count),
        "--child",
        str(first),
        "--format",
        kind,
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdout is not None
    rows: list[dict] = []
    number, pending, patience_s = first, b"", 60.0  # the first answer waits for imports
    try:
        while True:
            ready, _, _ = select.select([child.stdout], [], [], patience_s)
            if not ready:
                return number, rows, "hang"
            some = os.read(child.stdout.fileno(), 1 << 16)
            if not some:
                code = child.wait()
                return number, rows, "" if code == 0 else f"crash: {signal_name(code)}"
            *lines, pending = (pending + some).split(b"\n")
            for line in lines:
                row = json.loads(line)
                rows.append(row)
                number = row["number"] + 1
                if number % 1000 == 0:
                    print(f"  {number} done", file=sys.stderr, flush=True)
            patience_s = 5 * HANG_S
    finally:
        child.kill()
        child.wait()


def signal_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


# the child ----------------------------------------------------------------------------------------------------------


def work(seed: int, first: int, count: int, kind: str) -> None:
    seeds = corpus(kind)
    for number in range(first, count):
        data, name = mutant(seeds, seed, number)
        print(json.dumps({"number": number, "format": name, **decoded(data, seed, number)}), flush=True)
    raise SystemExit(0)


def decoded(data: bytes, seed: int, number: int) -> dict:
    """How one mutant ended, in which time, and how far the process has ever grown."""
    before = peak()
    how = random.Random(f"how {seed} {number}").choice(["whole", "whole", "reduced", "frames"])
    began = time.perf_counter()
    longest, message = 0.0, ""
    try:
        if how == "frames":
            for _, picture in itertools.islice(images.decode_frames(data, 224), FRAMES):
                picture.getpixel((0, 0))
                longest, began = max(longest, time.perf_counter() - began), time.perf_counter()
        else:
            picture = images.decode(data, 224 if how == "reduced" else None)
            if picture.mode != "RGB":
                raise TypeError(f"a picture of mode {picture.mode}")
        end = "picture"
    except EyebrightError as error:
        end, message = type(error).__name__, str(error)
    except BaseException as error:
        end, message = f"{type(error).__name__} escaped", str(error)[:200]
    seconds = max(longest, time.perf_counter() - began)
    return {"end": end, "message": message, "s": seconds, "grown_mib": peak() - before, "peak_mib": peak()}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(seed: int, number: int, keep: Path | None, kind: str) -> None:
    data, name = mutant(corpus(kind), seed, number)
    if keep:
        keep.write_bytes(data)
    print(name, len(data), "bytes", decoded(data, seed, number))


# mutants ------------------------------------------------------------------------------------------------------------


def corpus(only: str) -> dict[str, list[bytes]]:
    """Format -> files that state it, from the archive."""
    found: dict[str, list[bytes]] = {}
    with zipfile.ZipFile(folder() / "formats.zip") as archive:
        for name in sorted(archive.namelist()):
            data = archive.read(name)
            kind = images.sniff(data[: images.HEAD_BYTES])
            if kind in images.FORMATS and only in ("", kind) and len(data) <= LARGEST_SEED:
                found.setdefault(kind, []).append(data)
    return found


def mutant(seeds: dict[str, list[bytes]], seed: int, number: int) -> tuple[bytes, str]:
    """One to four mutations of a file; formats take turns, so that a rare one is tried as often as a common one."""
    chance = random.Random(f"mutant {seed} {number}")
    name = sorted(seeds)[number % len(seeds)]
    data = bytearray(chance.choice(seeds[name]))
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        chance.choice([flip, flip, number_in, number_in, cut, splice, repeat])(data, chance, seeds[name])
    if name == "png" and chance.random() < 0.7:
        data = mended(data)
    return bytes(data), name


def flip(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    """Bits, mostly of the header."""
    for _ in range(chance.choice([1, 2, 8, 32])):
        if data:
            data[place(data, chance)] ^= 1 << chance.randrange(8)


def number_in(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    """A number at which programs go wrong, written over what was there."""
    if data:
        at, width = place(data, chance), chance.choice([1, 2, 4])
        value = chance.choice(NUMBERS) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, chance.choice(["big", "little"]))


def cut(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    if data:
        start = place(data, chance)
        del data[start : start + chance.choice([1, 4, 100, len(data)])]


def splice(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    """A piece of another file of the format, in place of as much or put between."""
    other = chance.choice(others)
    at, start, size = place(data, chance), place(other, chance), chance.choice([4, 64, 4096])
    data[at : at + chance.choice([0, size])] = other[start : start + size]


def repeat(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    start = place(data, chance)
    piece = data[start : start + chance.choice([2, 16, 256])]
    data[start:start] = piece * chance.choice([1, 3, 100])


def place(data: bytes | bytearray, chance: random.Random) -> int:
    return chance.randrange(max(min(len(data), chance.choice([64, 512, len(data)])), 1))


def mended(data: bytearray) -> bytearray:
    """A PNG with its checksums put right, else nearly every mutant would end there."""
    at = 8
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if stop + 4 > len(data):
            break
        data[stop : stop + 4] = zlib.crc32(data[at + 4 : stop]).to_bytes(4, "big")
        at = stop + 4
    return data


if __name__ == "__main__":
    main()
