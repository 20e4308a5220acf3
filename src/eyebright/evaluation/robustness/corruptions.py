"""Pictures spoiled as cameras, light and networks spoil them: fourteen ways, each at five severities.

After Hendrycks & Dietterich 2019 (arXiv:1903.12261), without their weather, with strengths of our own: severity 1 is
barely seen, at 5 a person has to look twice. What is spoiled are the pixels that a model sees, (H, W, 3) uint8. Lengths
are shares of the shorter side, so that models of any input size are judged by what looks alike.
"""

import hashlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from eyebright.errors import BadRequest
from eyebright.images import decode
from eyebright.preprocessing import Pixels

Floats = NDArray[np.floating[Any]]
Change = Callable[[Pixels, float, np.random.Generator], Pixels]

SEVERITIES = (1, 2, 3, 4, 5)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
GAMMA = 2.2  # sRGB is about the light to the power of 1 / 2.2


def gaussian_noise(pixels: Pixels, deviation: float, random: np.random.Generator) -> Pixels:
    """The noise of a sensor, as strong everywhere."""
    return _rounded(pixels + np.float32(deviation) * random.standard_normal(pixels.shape, np.float32))


def shot_noise(pixels: Pixels, photons: float, random: np.random.Generator) -> Pixels:
    """Too little light to be even: a white pixel counts so many photons, by Poisson's law."""
    return _rounded(random.poisson(pixels * np.float32(photons / 255)) * np.float32(255 / photons))


def impulse_noise(pixels: Pixels, share: float, random: np.random.Generator) -> Pixels:
    """Salt and pepper: dead pixels, white or black."""
    drawn = random.random(pixels.shape[:2], np.float32)[..., None]
    return np.where(drawn < share / 2, np.uint8(0), np.where(drawn >= 1 - share / 2, np.uint8(255), pixels))


def gaussian_blur(pixels: Pixels, deviation: float, random: np.random.Generator) -> Pixels:
    """A soft lens, or a picture that was enlarged."""
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(deviation * min(pixels.shape[:2])))
    return np.asarray(blurred)


def defocus_blur(pixels: Pixels, radius: float, random: np.random.Generator) -> Pixels:
    """Out of focus: every point becomes a disk."""
    radius *= min(pixels.shape[:2])
    y, x = _around(radius + 1)
    return _blurred(pixels, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def motion_blur(pixels: Pixels, length: float, random: np.random.Generator) -> Pixels:
    """A hand that moved: every point becomes a line, of any direction."""
    length *= min(pixels.shape[:2])
    angle = random.random() * math.pi
    y, x = _around(length / 2 + 1)
    along, beside = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return _blurred(pixels, np.clip((length + 1) / 2 - abs(along), 0, 1) * np.clip(1 - abs(beside), 0, 1))


def brightness(pixels: Pixels, stops: float, random: np.random.Generator) -> Pixels:
    """Overexposed: so many times twice the light, and what is brighter than white is lost."""
    return _by_table(pixels, np.arange(256) * 2 ** (stops / GAMMA))


def darkness(pixels: Pixels, stops: float, random: np.random.Generator) -> Pixels:
    """Underexposed: so many times half the light."""
    return _by_table(pixels, np.arange(256) * 2 ** (-stops / GAMMA))


def contrast(pixels: Pixels, left: float, random: np.random.Generator) -> Pixels:
    """Haze, or a dirty lens: every pixel comes nearer to the mean of all."""
    mean = pixels.mean()
    return _by_table(pixels, mean + left * (np.arange(256) - mean))


def color_cast(pixels: Pixels, stops: float, random: np.random.Generator) -> Pixels:
    """The wrong white: too warm or too cold, by so many stops between red and blue."""
    gain = 2 ** (_either(random) * stops / 2 / GAMMA)
    return _rounded(pixels.astype(np.float32) * np.array([gain, 1, 1 / gain], np.float32))


def desaturation(pixels: Pixels, lost: float, random: np.random.Generator) -> Pixels:
    """Colors fade, down to shades of gray."""
    gray = (pixels @ LUMA)[..., None]
    return _rounded(pixels + np.float32(lost) * (gray - pixels))


def jpeg(pixels: Pixels, quality: float, random: np.random.Generator) -> Pixels:
    """Packed too tightly, as messengers do."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=round(quality))
    return np.asarray(decode(file.getvalue()))


def low_resolution(pixels: Pixels, share: float, random: np.random.Generator) -> Pixels:
    """Taken from far away, or a thumbnail: fewer pixels, enlarged again."""
    height, width = pixels.shape[:2]
    few = max(round(width * share), 1), max(round(height * share), 1)
    small = Image.fromarray(pixels).resize(few, Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def rotation(pixels: Pixels, degrees: float, random: np.random.Generator) -> Pixels:
    """Held askew, to either side; the edge goes on outwards."""
    height, width = pixels.shape[:2]
    spare = math.ceil((math.hypot(height, width) - min(height, width)) / 2) + 1
    wide = Image.fromarray(np.pad(pixels, ((spare, spare), (spare, spare), (0, 0)), mode="edge"))
    turned = wide.rotate(_either(random) * degrees, Image.Resampling.BICUBIC)
    return np.asarray(turned.crop((spare, spare, spare + width, spare + height)))


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a picture; call it with pixels, a severity from 1 to 5, and a source of chance."""

    change: Change
    family: str
    strengths: tuple[float, float, float, float, float]
    """Of severities 1 to 5."""
    unit: str
    """What a strength counts."""

    def __call__(self, pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
        if severity not in SEVERITIES:
            raise BadRequest(f"a severity is 1, 2, 3, 4 or 5, from barely seen to strong; {severity} is not.")
        return self.change(pixels, self.strengths[severity - 1], random)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(gaussian_noise, "noise", (8, 16, 28, 45, 70), "deviation, of 255"),
    "shot_noise": Corruption(shot_noise, "noise", (250, 80, 30, 12, 5), "photons of a white pixel"),
    "impulse_noise": Corruption(impulse_noise, "noise", (0.005, 0.02, 0.05, 0.1, 0.2), "share of pixels"),
    "gaussian_blur": Corruption(gaussian_blur, "blur", (0.003, 0.006, 0.01, 0.016, 0.025), "deviation, of the side"),
    "defocus_blur": Corruption(defocus_blur, "blur", (0.005, 0.01, 0.016, 0.025, 0.04), "radius, of the side"),
    "motion_blur": Corruption(motion_blur, "blur", (0.02, 0.04, 0.07, 0.11, 0.17), "length, of the side"),
    "brightness": Corruption(brightness, "light", (0.4, 0.8, 1.3, 1.8, 2.5), "stops too bright"),
    "darkness": Corruption(darkness, "light", (0.8, 1.6, 2.6, 3.8, 5), "stops too dark"),
    "contrast": Corruption(contrast, "light", (0.75, 0.55, 0.38, 0.24, 0.13), "share that is left"),
    "color_cast": Corruption(color_cast, "color", (0.4, 0.8, 1.4, 2.2, 3.2), "stops between red and blue"),
    "desaturation": Corruption(desaturation, "color", (0.25, 0.5, 0.75, 0.9, 1), "share that is lost"),
    "jpeg": Corruption(jpeg, "detail", (50, 30, 18, 10, 5), "quality"),
    "low_resolution": Corruption(low_resolution, "detail", (0.7, 0.5, 0.35, 0.23, 0.15), "share of pixels a side"),
    "rotation": Corruption(rotation, "angle", (4, 9, 17, 28, 45), "degrees"),
}
"""By the names that people choose them by."""


def corrupt(pixels: Pixels, name: str, severity: int, random: np.random.Generator) -> Pixels:
    """Pixels (H, W, 3) uint8, spoiled; as many as before. Raises BadRequest for a name or severity that is none."""
    (known,) = chosen([name])
    return CORRUPTIONS[known](pixels, severity, random)


def versions(
    pixels: Pixels, picture: str, names: Sequence[str], severities: Sequence[int], seed: int = 0
) -> Iterator[Pixels]:
    """All that a model is shown of one picture: its pixels (H, W, 3), then every corruption at every severity.

    `picture` is its name: what chance does depends on it and the seed alone.
    """
    yield pixels
    for name in names:
        for severity in severities:
            yield corrupt(pixels, name, severity, chance(seed, picture, name))


def chance(seed: int, picture: str, corruption: str) -> np.random.Generator:
    """What chance does to one picture: the same at each severity, so that the strength alone makes a difference."""
    digest = hashlib.blake2b(f"{seed}\0{picture}\0{corruption}".encode("utf-8", "surrogatepass"), digest_size=16)
    return np.random.default_rng(int.from_bytes(digest.digest(), "big"))


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Corruptions by name or family, each once, in the order of the table; BadRequest for a name that is neither.

    >>> chosen(["jpeg", "noise"])
    ('gaussian_noise', 'shot_noise', 'impulse_noise', 'jpeg')
    """
    families = list(dict.fromkeys(corruption.family for corruption in CORRUPTIONS.values()))
    for name in names:
        if name not in CORRUPTIONS and name not in families:
            near = get_close_matches(name, [*CORRUPTIONS, *families], 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join([*families, *CORRUPTIONS])}."
            raise BadRequest(f"no corruption is called {name!r}; {hint}")
    return tuple(name for name, corruption in CORRUPTIONS.items() if name in names or corruption.family in names)


def _rounded(pixels: Floats) -> Pixels:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _by_table(pixels: Pixels, table: Floats) -> Pixels:
    """Every value replaced by its entry of 256."""
    return _rounded(table)[pixels]


def _either(random: np.random.Generator) -> int:
    """-1 or 1."""
    return 1 if random.random() < 0.5 else -1


def _around(reach: float) -> tuple[Floats, Floats]:
    """Rows and columns of a kernel whose middle is 0, of both odd sides."""
    half = math.ceil(reach)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    return y, x


def _blurred(pixels: Pixels, kernel: Floats) -> Pixels:
    """Every pixel as the mean of those around it, weighted by a kernel of odd side; the edge goes on outwards."""
    half = len(kernel) // 2
    height, width = pixels.shape[:2]
    wide = np.pad(pixels.astype(np.float32), ((half, half), (half, half), (0, 0)), mode="edge")
    sides = wide.shape[:2]
    smear = np.fft.rfft2((kernel / kernel.sum()).astype(np.float32), sides)[..., None]
    whole = np.fft.irfft2(np.fft.rfft2(wide, axes=(0, 1)) * smear, sides, axes=(0, 1))
    return _rounded(whole[2 * half : 2 * half + height, 2 * half : 2 * half + width])
