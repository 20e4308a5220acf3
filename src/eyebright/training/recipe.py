"""A recipe: how a training ran, or shall run. A flat TOML file, each key a sentence here.

`Recipe.of(mode, given)` fills what is not given with what is good for that mode; a run keeps the whole of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from eyebright import tomlfile
from eyebright.classifier.traditional import HEADS
from eyebright.errors import BadRequest
from eyebright.modelfile import Task

Mode = Literal["head", "finetune", "scratch"]
MODES: tuple[Mode, ...] = ("head", "finetune", "scratch")
PIXELS = "pixels"
"""In the place of an encoder: colors and edges, as `classifier.pixel_features` counts them; nothing is pretrained."""
BY_TASK = -1.0
"""A crop that the task decides: one of many labels may hold for what lies at the rim."""
LARGEST_BYTES = 1_000_000
"""Of a recipe; what comes after is not read."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every field is a key of recipe.toml and of `eyebright train --set key=value`."""

    mode: Mode = "head"
    """head: only the last layer learns; finetune: all of a pretrained network; scratch: a network from nothing."""
    encoder: str = "efficientnet-lite0"
    """The network, of `eyebright encoders` or a genotype's .toml; pixels: colors and edges (HOG), for mode head."""
    weights: str = ""
    """Where the pretrained weights come from; empty: the package that carries them."""
    width: float = 1.0
    """Multiplies the channels."""
    depth: float = 1.0
    """Multiplies the blocks of each stage."""
    colors: int = 3
    """Channels that the network looks at: 3, or 1 for gray."""
    size: int = 0
    """Pixels a side that the network sees; 0: what the encoder was drawn for."""
    head: str = "logistic"
    """logistic, or paper: the layers of the encoder's paper; mode head has naive-bayes, svm, tree and others."""
    refit: bool = False
    """head: once its cost is chosen, learn from the validation pictures too; what is told of them is from before."""
    crop: float = -1.0
    """What it sees of a picture: 1 the middle square, 0 the whole, stretched; -1: the whole where labels are many."""
    seed: int = 0
    """All that is drawn at random follows from it."""

    epochs: float = 20.0
    """Passes over the training split."""
    minutes: float = 0.0
    """Time for everything; the number of steps is fixed to keep it. 0: `epochs` counts."""
    batch: int = 32
    """Pictures a step, over all devices."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """sgd has Nesterov's momentum."""
    rate: float = 0.02
    """The learning rate at its peak."""
    momentum: float = 0.9
    """Of sgd; the first beta of adamw."""
    weight_decay: float = 1e-4
    """Pull of weights to zero; biases and norms are left out."""
    warmup: float = 0.1
    """Share of all steps, 0..1, in which the rate climbs to its peak; from there it falls along a cosine."""
    clip: float = 0.0
    """Gradients longer than this are cut to it; 0: never."""
    layer_decay: float = 1.0
    """finetune: each stage learns this many times as fast as the one above it."""
    unfreeze: float = 0.0
    """finetune: share of all steps over which the stages begin to learn one after the other, top first."""
    frozen: float = 0.0
    """finetune: share of the stages, from the bottom, that never learn; the top one always does."""
    freeze_norms: bool = False
    """finetune: batch norms keep the statistics that they came with; for small batches, and for folded weights."""
    ema: float = 0.998
    """Memory of the moving average of weights that is kept in the end; 0: the last weights."""
    smoothing: float = 0.1
    """Label smoothing, 0..1: a target moves this far to all labels alike; of many labels, to how common each is."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """What is done for rare labels: they weigh more in the loss, or are drawn more often."""
    patience: int = 0
    """Stop after so many evaluations without a better one; 0: never."""

    teacher: str = ""
    """A model file whose answers are imitated; it must know all labels of the data."""
    distill: float = 0.9
    """With a teacher: its share of the loss, 0..1; the labels have the rest."""
    soften: float = 2.0
    """With a teacher: the temperature that both answers are softened by, 1 or more."""
    unlabeled: str = ""
    """With a teacher: a folder or archive of more pictures, of which nobody said what they show."""

    area: float = 1.0
    """The least share of a picture that a random crop keeps, 0..1."""
    shift: float = 0.0
    """The farthest that a picture is moved, as a share of its side."""
    flip: bool = True
    """Half of the pictures are mirrored, left to right."""
    color: float = 0.0
    """Strength of random brightness, contrast, saturation and hue, 0..1."""
    operations: int = 0
    """Random changes a picture (turn, shear, move, brighten, posterize ...), as RandAugment draws them."""
    magnitude: float = 0.5
    """Strength of those, 0..1."""
    erase: float = 0.0
    """Chance that a random box is filled with noise."""
    mixup: float = 0.0
    """Alpha of mixup: pairs of pictures are blended; 0: none."""
    cutmix: float = 0.0
    """Alpha of cutmix: a box of one picture is put into another; with both, each batch draws one."""
    learn_scale: float = 1.0
    """Share of `size` at which it learns: crops show things larger, so it is best judged at a little more."""
    progressive: float = 1.0
    """Share of that size that training starts with; it grows until the last quarter."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: the fastest that is here; mode head looks at each picture once, on the processor."""
    devices: int = 1
    """How many of them on this machine; `torchrun` says so by itself."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """auto: bf16 on a GPU, and on a processor that computes with it."""
    threads: int = 0
    """Threads of the processor; 0: all cores."""
    cache_mb: int = 4000
    """Decoded pictures are kept in a file of the run while they fit in this."""
    save_s: float = 20.0
    """Seconds between checkpoints."""
    tensorboard: bool = False
    """Also write TensorBoard's event files; needs the package tensorboard."""

    def __post_init__(self) -> None:
        for key in ("warmup", "smoothing", "magnitude", "color", "erase", "unfreeze", "ema", "frozen", "distill"):
            _within(key, getattr(self, key), 0, 1)
        if self.crop != BY_TASK:
            _within("crop", self.crop, 0, 1)
        for key in ("momentum", "shift"):
            _within(key, getattr(self, key), 0, 0.999)
        for key in ("area", "layer_decay", "learn_scale", "progressive"):
            _within(key, getattr(self, key), 0.05, 1)
        for key in ("epochs", "minutes", "weight_decay", "clip", "mixup", "cutmix", "save_s"):
            _within(key, getattr(self, key), 0, 1e6)
        for key in ("width", "depth"):
            _within(key, getattr(self, key), 0.05, 4)
        _within("rate", self.rate, 1e-9, 1e3)
        _within("soften", self.soften, 1, 100)
        _within("batch", self.batch, 1, 65_536)
        _within("size", self.size, 0, 1024)
        if self.colors not in (1, 3):
            raise BadRequest(f"colors is 3, or 1 for gray; {self.colors} is not.")
        if 0 < self.size < 32:
            raise BadRequest(f"size is in pixels, 32 or more; {self.size} is too small for these networks.")
        for key in ("operations", "patience", "threads", "cache_mb", "seed"):
            _within(key, getattr(self, key), 0, 2**31)
        _within("devices", self.devices, 1, 1024)
        if self.mode == "head" and self.device in ("cuda", "mps"):
            raise BadRequest(
                f"Mode head computes on the processor; leave out the device, {self.device} is for other modes."
            )
        if self.teacher and self.mode == "head":
            raise BadRequest("Mode head fits its one layer to the labels; a teacher is for finetune and scratch.")
        if self.unlabeled and not self.teacher:
            raise BadRequest("Pictures without labels teach nothing by themselves; name a --teacher who knows them.")
        if self.encoder == PIXELS:
            self._only_pixels()
        heads = tuple(HEADS) if self.mode == "head" else ("logistic", "paper")
        if self.head not in heads:
            raise BadRequest(f"With mode {self.mode} the head is one of {', '.join(heads)}; {self.head!r} is not.")
        if (self.mixup or self.cutmix) and self.batch % 2:
            raise BadRequest(f"mixup and cutmix take pictures in pairs; batch must be even, {self.batch} is not.")

    def _only_pixels(self) -> None:
        if self.mode != "head":
            raise BadRequest(f"In {PIXELS} is nothing that mode {self.mode} could learn; it is for mode head.")
        for key, usual in (("weights", ""), ("width", 1.0), ("depth", 1.0), ("colors", 3)):
            if getattr(self, key) != usual:
                raise BadRequest(f"{PIXELS} is no network, and has no {key} to choose.")

    @classmethod
    def of(cls, mode: Mode, given: Mapping[str, Any], where: str = "recipe") -> "Recipe":
        """What is good for `mode`, with the keys of `given` in its place; unknown ones are refused."""
        defaults = DEFAULTS[mode]
        encoder = given.get("encoder", "")
        if mode == "scratch" and isinstance(encoder, str) and encoder.startswith(UNSTEADY) and "-bn" not in encoder:
            defaults = {**defaults, **WITHOUT_NORMS}
        return tomlfile.checked({"mode": mode, **defaults, **given}, cls, where)

    @classmethod
    def read(cls, path: Path, given: Mapping[str, Any]) -> "Recipe":
        """A recipe file, with the keys of `given` in the place of its own."""
        try:
            with open(path, "rb") as file:
                text = file.read(LARGEST_BYTES).decode()
        except OSError as error:
            raise BadRequest(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
        except UnicodeDecodeError:
            raise BadRequest(f"{path} is not a recipe: it is not text.") from None
        table = {**beside(path, tomlfile.table(text, str(path))), **given}
        mode = table.get("mode", "head")
        if mode not in MODES:
            raise BadRequest(f"{path}: mode is one of {', '.join(MODES)}; {mode!r} is not.")
        return cls.of(mode, {key: value for key, value in table.items() if key != "mode"}, str(path))

    @property
    def genotype(self) -> Path | None:
        """The file of a slimmed network that stands in the place of an encoder's name."""
        return Path(self.encoder) if self.encoder.endswith(".toml") else None

    def settled(self, task: Task) -> "Recipe":
        """With what depends on the task decided."""
        return replace(self, crop=0.0 if task == "multi" else 1.0) if self.crop == BY_TASK else self

    def write(self) -> str:
        """As TOML, with what each key means."""
        return tomlfile.dumps(self, REMARKS)


DEFAULTS: dict[Mode, dict[str, Any]] = {
    "head": {},
    "finetune": {
        "epochs": 12.0,
        "optimizer": "adamw",
        "rate": 0.001,
        "weight_decay": 0.05,
        "clip": 1.0,
        "layer_decay": 0.85,
        "unfreeze": 0.2,
        "freeze_norms": True,
        "ema": 0.98,
        "area": 0.2,
        "operations": 1,
        "learn_scale": 0.86,
    },
    "scratch": {
        "batch": 128,
        "rate": 0.2,
        "weight_decay": 5e-4,
        "ema": 0.995,
        "smoothing": 0.0,
        "shift": 0.06,
    },
}
"""Tried on validation splits, see docs/benchmarks.md."""
UNSTEADY = ("alexnet", "vgg-", "squeezenet-")
"""Families without batch norms, but for those with -bn in their name."""
WITHOUT_NORMS = {"optimizer": "adamw", "rate": 5e-4, "weight_decay": 0.02, "clip": 1.0}
"""What these begin with from nothing: better than SGD at 0.02 for one of each family, the only other that was tried."""


def beside(recipe: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe's file; a genotype and its weights that stand beside it are found from everywhere."""
    found = dict(table)
    if str(found.get("encoder", "")).endswith(".toml"):
        for key in ("encoder", "weights"):
            value = found.get(key)
            if isinstance(value, str) and value and (recipe.parent / value).is_file():
                found[key] = str(recipe.parent / value)
    return found


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadRequest(f"{key} is a number from {low:g} to {high:g}; {value:g} is not.")


def _remarks() -> dict[str, str]:
    """The sentence under each field, from this file: one home for what a key means."""
    import ast
    import inspect
    import textwrap

    (body,) = ast.parse(textwrap.dedent(inspect.getsource(Recipe))).body
    assert isinstance(body, ast.ClassDef)
    names = {field.name for field in fields(Recipe)}
    found: dict[str, str] = {}
    for first, second in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(first, ast.AnnAssign) and isinstance(first.target, ast.Name)):
            continue
        if isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant) and first.target.id in names:
            found[first.target.id] = str(second.value.value)
    return found


REMARKS = _remarks()
