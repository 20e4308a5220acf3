"""How fast, and in how much memory, `eyebright predict` names pictures, beside scripts that a person would write.

    EYEBRIGHT_DATA=FOLDER python bench/speed.py [start] [large] [sample] [many]     (quiet machine; 15 minutes in all)

Whole processes in turns, start-up included. The files are in the page cache.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import data
import measure
from eyebright import models

PYTHON = sys.executable
EYEBRIGHT = str(Path(PYTHON).with_name("eyebright"))
MODEL = str(models.path())
SCRIPT = str(Path(__file__).parent / "peers" / "plain_script.py")


def main() -> None:
    print(measure.processor())
    chosen = sys.argv[1:] or ["start", "large", "sample", "many"]
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            print(f"\n{name}")
            {"start": start, "large": large, "sample": sample, "many": many}[name](Path(folder))


def start(folder: Path) -> None:
    """One photo, from the shell's point of view; and --help."""
    photo = folder / "one.jpg"
    photo.write_bytes((data.in_a_process("small_photos", folder / "some", 282) / "photo-000281.jpg").read_bytes())
    bare = (
        "import numpy, PIL.Image, onnxruntime; "
        f"s = onnxruntime.InferenceSession({MODEL!r}); "
        "s.run(['scores'], {'image': numpy.zeros((1, 224, 224, 3), 'uint8')})"
    )
    runs = measure.in_turns(
        {
            "predict": [EYEBRIGHT, "predict", str(photo)],
            "bare": [PYTHON, "-c", bare],
            "help": [EYEBRIGHT, "--help"],
            "pass": [PYTHON, "-c", "pass"],
        },
        rounds=15,
        warmup=2,
    )
    wall = {name: [run.wall_s for run in some] for name, some in runs.items()}
    middle = {name: statistics.median(some) for name, some in wall.items()}
    print(f"  predict {middle['predict']:.3f} s, bare imports + session + run {middle['bare']:.3f} s")
    print(f"  predict / bare: {measure.ratio(wall['predict'], wall['bare'])}; the bar is 1.4")
    print(f"  --help {middle['help'] - middle['pass']:.3f} s over `python -c pass`; the bar is 0.2 s")
    probe = (
        "import sys; from eyebright.cli import run; run(['--help']); "
        "print([m for m in ('torch', 'onnxruntime', 'numpy') if m in sys.modules])"
    )
    print(
        f"  --help imports of torch, onnxruntime, numpy: {measure.run([PYTHON, '-c', probe]).output.splitlines()[-1]}"
    )


def large(folder: Path) -> None:
    """200 JPEGs of 12 megapixels."""
    photos = data.in_a_process("large_photos", folder / "large", 200)
    _against_scripts(photos, rounds=5)
    _where_time_goes(photos)
    _same_names(photos)


def sample(folder: Path) -> None:
    """The 1000 photos of imagenet-sample."""
    _against_scripts(data.in_a_process("small_photos", folder / "sample", 1000), rounds=7)


def many(folder: Path) -> None:
    """Memory and speed for 10,000 small photos beside 100."""
    few = data.in_a_process("small_photos", folder / "few", 100)
    lots = data.in_a_process("small_photos", folder / "many", 10_000)
    rate: dict[str, list[float]] = {"few": [], "many": []}
    peak: dict[str, list[float]] = {"few": [], "many": []}
    for _ in range(3):
        for name, photos in (("few", few), ("many", lots)):
            result = measure.run([PYTHON, __file__, "--rate", str(photos)])
            rate[name].append(float(result.output.split()[-1]))
            peak[name].append(result.peak_mb)
    print(f"  peak memory: 100 photos {max(peak['few']):.0f} MB, 10,000 photos {max(peak['many']):.0f} MB")
    print(
        f"  photos a second: 100 photos {statistics.median(rate['few']):.0f}, "
        f"10,000 photos {statistics.median(rate['many']):.0f}"
    )
    print(f"  10,000 / 100: {measure.ratio(rate['many'], rate['few'])}; the bar is 0.9 to 1.1, and 64 MiB more memory")


def _against_scripts(photos: Path, rounds: int) -> None:
    out = str(photos.with_suffix(".jsonl"))
    runs = measure.in_turns(
        {
            "eyebright": [EYEBRIGHT, "predict", str(photos), "--format", "json", "-o", out, "--force"],
            "plain script": [PYTHON, SCRIPT, str(photos), MODEL],
            "plain script with draft()": [PYTHON, SCRIPT, str(photos), MODEL, "--draft"],
        },
        rounds,
    )
    count = len(list(photos.iterdir()))
    ours = [count / run.wall_s for run in runs["eyebright"]]
    for name, some in runs.items():
        rates = [count / run.wall_s for run in some]
        peak = max(run.peak_mb for run in some) / 1.048576
        print(
            f"  {name:<26} {statistics.median(rates):7.1f} photos/s, peak {peak:4.0f} MiB, "
            f"eyebright is {measure.ratio(ours, rates)}x"
        )


def _where_time_goes(photos: Path) -> None:
    """Processor time of decoding (with resizing) and of the network, as a share of all that streaming takes."""
    from eyebright import images
    from eyebright.recognize import load, recognizer

    spent = {"decode": 0.0, "model": 0.0}

    def timed(name: str, function):  # type: ignore[no-untyped-def]
        def wrapped(*args, **kwargs):  # type: ignore[no-untyped-def]
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.thread_time() - began

        return wrapped

    ours = load()
    images.read_file, images.decode = timed("decode", images.read_file), timed("decode", images.decode)
    recognizer.fit = timed("decode", recognizer.fit)
    ours.runtime.run = timed("model", ours.runtime.run)  # type: ignore[method-assign]
    began = time.process_time()
    for result in ours.stream([str(photos)]):
        result.to_json()
    total = time.process_time() - began
    rest = 1 - sum(spent.values()) / total
    print(
        f"  decode {spent['decode'] / total:.1%}, network {spent['model'] / total:.1%}, the rest {rest:.1%} (bar 10%)"
    )


def _same_names(photos: Path) -> None:
    """The best label after decoding at reduced scale and in full, in 8 bits and in float where that model is given."""
    from PIL import Image

    from eyebright.recognize import load

    ours = load()
    same = sum(ours(str(path)).labels[0].id == ours(Image.open(path)).labels[0].id for path in sorted(photos.iterdir()))
    count = len(list(photos.iterdir()))
    print(f"  same best label as full decode: {same} of {count} = {same / count:.3f}; the bar is 0.99")


def _rate(photos: str) -> None:
    from eyebright.recognize import load

    ours = load()
    for _ in ours.stream([str(path) for path in sorted(Path(photos).iterdir())[:16]]):
        pass
    began = time.perf_counter()
    count = sum(1 for _ in ours.stream([photos]))
    print(count / (time.perf_counter() - began))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rate"]:
        _rate(sys.argv[2])
    else:
        main()
