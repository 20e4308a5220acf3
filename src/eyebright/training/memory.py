"""What becomes of memory that a step of training frees: the next step wants just as much."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of <malloc.h>, glibc."""
MOST = 2**31 - 1


def keep_freed() -> bool:
    """Large blocks stay with the process when they are freed; whether the C library can be told so.

    glibc gives them back to the system at once, which then clears every page again for the next step: 5 to 9% of the
    time that learning takes on a processor. The most that was ever in use is held until the process ends.
    """
    try:
        tune = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(tune(M_MMAP_MAX, 0) and tune(M_TRIM_THRESHOLD, MOST))
