"""Two-tower models of transformers, exported and imported: do their embeddings stay what transformers says they are?

    python bench/library/transformers_towers.py PYTHON FOLDER     FOLDER of photos; PYTHON has transformers, torch, onnx

CLIP and SigLIP at ViT-B's sizes with random weights and a small tokenizer of their kind (their own weights are
downloads): the networks, image processors, tokenizers and exports are transformers' and torch's own. Compared are
embeddings of photos and of texts, as transformers computes them and as Eyebright does from the imported files: their
cosines, less the mean of all (random networks see much the same in everything), and whose nearest is whose.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import eyebright
from eyebright import modelfile, textfile
from eyebright.foreign import Choices, wrap_towers

PHOTOS = 100
TEXTS = ["a photo of a dog", "A dog, catching a frisbee!", "two  cats on the sofa", "café 2023", "x", "it's mine " * 40]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python")
    parser.add_argument("photos", type=Path)
    asked = parser.parse_args()
    files = sorted(path for path in asked.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = [files[at] for at in np.random.default_rng(0).permutation(len(files))[:PHOTOS]]
    failed = 0
    for kind in ("clip", "siglip"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "photos.txt").write_text("\n".join(map(str, files)))
            theirs = Path(__file__).with_name("transformers_export.py")
            subprocess.run([asked.python, theirs, kind, folder, "\n".join(TEXTS)], check=True)
            failed += not compared(kind, Path(folder), files)
    sys.exit(failed)


def compared(kind: str, folder: Path, files: list[Path]) -> bool:
    """Whether both agree; prints how far."""
    made = wrap_towers(folder, Choices(label_names=["dog", "cat"]))
    recognizer = eyebright.load(modelfile.from_bytes(made.image), trust=True)
    tower = eyebright.load_text(textfile.from_bytes(made.text), trust=True)
    theirs = np.load(folder / "theirs.npz")
    ours = {"photos": np.stack([recognizer.embed(file) for file in files]), "texts": np.stack(list(tower.embed(TEXTS)))}
    good = True
    for part, numbers in ours.items():
        mean = unit(theirs[part]).mean(0)
        cosines = unit(unit(numbers) - mean) @ unit(unit(theirs[part]) - mean).T
        own = np.diag(cosines)
        nearest = int((cosines.argmax(1) == np.arange(len(cosines))).sum())
        good &= bool(np.median(own) > 0.99 and nearest == len(cosines))
        print(
            f"{kind} {part}: cosine of ours and theirs {np.median(own):.4f} (median), {own.min():.4f} (least); of "
            f"others up to {(cosines - 3 * np.eye(len(cosines))).max():.4f}; nearest to itself: {nearest} of {len(own)}"
        )
    return good


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
