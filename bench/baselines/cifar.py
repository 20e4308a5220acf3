"""ResNet-8 or MobileNet-v2 at a quarter of its width on CIFAR-10, as torchvision's reference scripts train.

    EYEBRIGHT_DATA=FOLDER python bench/baselines/cifar.py resnet-8 --seed 0 --test --output FILE.npz
    EYEBRIGHT_DATA=FOLDER python bench/baselines/cifar.py mobilenet-v2 --seed 0 --test --output FILE.npz

The networks are Eyebright's own, drawn for 32 x 32, so that only the training is compared: a random crop after padding
by 4, a flip; SGD, momentum 0.9, weight decay 1e-4, batches of 128, 12 epochs (MobileNet-v2 6), the rate divided by 10
after a third and two thirds of them; channels_last, one thread. Validation: every tenth picture of each class of train.
The rate was chosen on it, seed 0: ResNet-8 out of 0.03, 0.1, 0.2, 0.4 and 0.8 with a third of the epochs, then 0.2 and
0.4 with all; MobileNet-v2 out of 0.1, 0.3 and 0.6 with all. `curve_cpu_s` is the time spent in
training, without scoring.
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

NETWORKS = {"resnet-8": {"size": 32}, "mobilenet-v2": {"size": 32, "width": 0.25}}
RATES = {"resnet-8": 0.4, "mobilenet-v2": 0.3}
EPOCHS = {"resnet-8": 12, "mobilenet-v2": 6}


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("network", choices=NETWORKS)
    options.add_argument("--rate", type=float)
    options.add_argument("--epochs", type=int)
    options = options.parse_args()
    options.rate = options.rate or RATES[options.network]
    options.epochs = options.epochs or EPOCHS[options.network]
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    everything, labels = sets.cifar10("train")
    train, validation = sets.every_tenth(everything)
    splits = {"validation": validation} | ({"test": sets.cifar10("test")[0]} if options.test else {})
    network = Network(options.network, len(labels)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=options.rate, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(options.epochs // 3, 1), gamma=0.1)

    pictures, targets = tensor(train.pictures), torch.from_numpy(train.targets)
    spent = 0.0
    curve: dict[str, list[float]] = {"cpu_s": [], **{name: [] for name in splits}}
    for _ in range(options.epochs):
        began = time.process_time()
        network.train()
        for places in torch.randperm(len(targets)).split(128):
            loss = F.cross_entropy(network(moved(pictures[places])), targets[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        spent += time.process_time() - began
        curve["cpu_s"].append(round(spent, 2))
        scores = {name: score(network, split) for name, split in splits.items()}
        for name, split in splits.items():
            curve[name].append(round(report.top1(scores[name], split.targets), 4))

    arrays = {"labels": labels, **{f"curve_{name}": values for name, values in curve.items()}}
    for name, split in splits.items():
        arrays |= {f"{name}_names": split.names, f"{name}_scores": scores[name], f"{name}_targets": split.targets}
    summary = {"parameters": sum(p.numel() for p in network.parameters()), "curve": curve}
    report.finish(options, summary | {name: curve[name][-1] for name in splits}, arrays)


class Network(nn.Module):
    """Images (B, 3, 32, 32) -> logits (B, L)."""

    def __init__(self, name: str, classes: int) -> None:
        super().__init__()
        self.encoder = ENCODERS[name](**NETWORKS[name])
        self.head = nn.Linear(self.encoder.num_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder.features(images).mean((2, 3)))
        return logits


def moved(images: Tensor, by: int = 4) -> Tensor:
    """Each picture shifted by up to `by` pixels, the mean color coming in, and half of them mirrored."""
    count, _, height, width = images.shape
    padded = F.pad(images, (by, by, by, by))
    down, right = torch.randint(0, 2 * by + 1, (2, count)).tolist()
    shifted = [padded[at, :, y : y + height, x : x + width] for at, (y, x) in enumerate(zip(down, right, strict=True))]
    mirrored = [p.flip(2) if flip else p for p, flip in zip(shifted, (torch.rand(count) < 0.5).tolist(), strict=True)]
    return torch.stack(mirrored).contiguous(memory_format=torch.channels_last)


def tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, 32, 32, 3) -> (N, 3, 32, 32), with the means and deviations of CIFAR-10's colors taken out."""
    mean, deviation = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2470, 0.2435, 0.2616])
    return ((torch.from_numpy(pictures) / 255 - mean) / deviation).permute(0, 3, 1, 2)


def score(network: nn.Module, split: sets.Split) -> NDArray[np.float32]:
    """Softmax scores (N, L)."""
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(images).softmax(1) for images in tensor(split.pictures).split(500)]).numpy()


if __name__ == "__main__":
    main()
