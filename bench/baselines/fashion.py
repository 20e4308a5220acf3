"""ResNet-8 on Fashion-MNIST, in the plain loop of every tutorial.

    EYEBRIGHT_DATA=FOLDER python bench/baselines/fashion.py --seed 0 --test --output FILE.npz

The network is Eyebright's own (MLPerf Tiny's ResNet-8 for one color, global average pool, linear), so that only the
training is compared: no augmentation, a constant rate, batches of 128, 10 epochs, channels_last, one thread.
Validation: every tenth picture of each class of train. Optimizer and rate were chosen on it, seed 0: Adam with 0.001,
0.003, 0.01 and 0.03 and SGD (momentum 0.9) with 0.03, 0.1 and 0.3 with half the epochs, then Adam with 0.003, 0.01 and
0.03 and SGD with 0.3 with all. `curve_cpu_s` is the time spent in training, without scoring; 3 minutes in all.
"""

import time

import numpy as np
import report
import sets
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from eyebright.encoders import ENCODERS


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--optimizer", choices=("adam", "sgd"), default="adam")
    options.add_argument("--rate", type=float, default=0.01)
    options.add_argument("--epochs", type=int, default=10)
    options = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    train, validation = sets.every_tenth(sets.fashion_mnist("train"))
    splits = {"validation": validation} | ({"test": sets.fashion_mnist("t10k")} if options.test else {})
    network = Network().to(memory_format=torch.channels_last)
    if options.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(network.parameters(), lr=options.rate)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=options.rate, momentum=0.9)

    pictures, targets = tensor(train.pictures), torch.from_numpy(train.targets)
    spent = 0.0
    curve: dict[str, list[float]] = {"cpu_s": [], **{name: [] for name in splits}}
    for _ in range(options.epochs):
        began = time.process_time()
        network.train()
        for places in torch.randperm(len(targets)).split(128):
            loss = F.cross_entropy(network(pictures[places]), targets[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        spent += time.process_time() - began
        curve["cpu_s"].append(round(spent, 2))
        scores = {name: score(network, split) for name, split in splits.items()}
        for name, split in splits.items():
            curve[name].append(round(report.top1(scores[name], split.targets), 4))

    arrays = {"labels": sets.FASHION, **{f"curve_{name}": values for name, values in curve.items()}}
    for name, split in splits.items():
        arrays |= {f"{name}_names": split.names, f"{name}_scores": scores[name], f"{name}_targets": split.targets}
    summary = {"parameters": sum(p.numel() for p in network.parameters()), "curve": curve}
    report.finish(options, summary | {name: curve[name][-1] for name in splits}, arrays)


class Network(nn.Module):
    """Images (B, 1, 28, 28) -> logits (B, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ENCODERS["resnet-8"](colors=1)
        self.head = nn.Linear(self.encoder.num_features, len(sets.FASHION))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder.features(images).mean((2, 3)))
        return logits


def tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, 28, 28) -> (N, 1, 28, 28), with the mean and deviation of Fashion-MNIST's pixels taken out."""
    return (torch.from_numpy(pictures)[:, None] / 255 - 0.286) / 0.353


def score(network: nn.Module, split: sets.Split) -> NDArray[np.float32]:
    """Softmax scores (N, 10)."""
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(images).softmax(1) for images in tensor(split.pictures).split(500)]).numpy()


if __name__ == "__main__":
    main()
