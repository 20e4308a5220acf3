"""Two processes under torchrun learn as one does: the same losses, step for step, with the same batch in all.

    python bench/two_processes.py

Made pictures, float32, gloo on one machine; about three minutes. Fine-tuning lite0 with frozen batch norms, and a
network without batch norm (SqueezeNet) from scratch. What differs is the order in which numbers are added, some 1e-7
of a loss; steps multiply it, the more the higher the rate is, which is why a network from scratch is compared over
few. AdamW divides each gradient by its own size, so where there is hardly any it blows up just that: it is shown, and
has no bar.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from data import patterns
from eyebright.training.run import Run

BAR = 1e-5
KEYS = ("batch=16", "precision=float32", "mixup=0.2", "operations=1", "area=0.5", "threads=1")
GENTLY = ("epochs=3", "rate=0.0003", "freeze_norms=true", "frozen=0.67")
RUNS = {
    "lite0, fine-tuned by SGD": ("--mode finetune --size 64", (*GENTLY, "optimizer=sgd", "weight_decay=0.0001")),
    "lite0, fine-tuned by AdamW": ("--mode finetune --size 64", GENTLY),
    "SqueezeNet, from scratch": (
        "--mode scratch --encoder squeezenet-1.1 --width 0.25 --size 32",
        ("epochs=3", "rate=0.001"),
    ),
}
LAUNCHERS = {
    "one": [sys.executable, "-m", "eyebright"],
    "two": [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "-m", "eyebright"],
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        patterns(root / "pictures", 0, 60, 20)
        for name, (options, keys) in RUNS.items():
            asked = ["train", str(root / "pictures"), *options.split(), "--device", "cpu", "--force"]
            asked += [part for key in (*KEYS, *keys) for part in ("--set", key)]
            losses = {}
            for count, launcher in LAUNCHERS.items():
                whole = [*launcher, *asked, "-o", str(root / count)]
                ran = subprocess.run(whole, capture_output=True, text=True, check=False)
                if ran.returncode:
                    sys.exit(f"{count}: {ran.stderr[-2000:]}")
                losses[count] = [event["loss"] for event in Run(root / count).history()]
            one, two = losses["one"], losses["two"]
            worst = max(abs(a - b) for a, b in zip(one, two, strict=True))
            verdict = "no bar" if "AdamW" in name else f"bar {BAR:g}: {'ok' if worst <= BAR else 'missed'}"
            print(f"{name}: {len(one)} steps, loss from {one[0]:.4f} to {one[-1]:.4f}; largest difference", end=" ")
            print(f"{worst:.1e} ({verdict})", flush=True)


if __name__ == "__main__":
    main()
