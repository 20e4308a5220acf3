"""What a camera's RAW file shows of itself: the largest JPEG in it. The RAW data themselves are not developed."""

from eyebright import images
from eyebright.bounds import LIMITS
from eyebright.errors import BadPicture

RAW = tuple(".3fr .arw .cr2 .cr3 .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .rw2 .srw .x3f".split())
_START = b"\xff\xd8\xff"
_HEADER = 1 << 16
"""Bytes of a preview that its size is read from."""
MOST = 64
"""Places that look like the beginning of a JPEG, at most."""
LEAST = 160
"""Pixels of its shorter side; what is smaller is for the camera's own menu."""


def picture_data(path: str) -> bytes:
    """The bytes of a file that are decoded; of a RAW file those of its preview. Raises BadPicture."""
    data = images.read_file(path)
    return preview(data) if path.lower().endswith(RAW) else data


def preview(data: bytes) -> bytes:
    """The bytes from where the largest JPEG in a RAW file begins. Raises BadPicture where there is none of use."""
    best, at = (LEAST - 1, -1), data.find(_START)
    for _ in range(MOST):
        if at < 0:
            break
        try:
            side = min(images.header(data[at : at + _HEADER], LIMITS).size)
        except BadPicture:
            side = 0
        best = max(best, (side, -at))
        at = data.find(_START, at + 1)
    if best[1] == -1:
        raise BadPicture("a RAW file without a preview in it; RAW data themselves are not developed.")
    return data[-best[1] :]
