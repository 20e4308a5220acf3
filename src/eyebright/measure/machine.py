"""This machine in words, and the most memory that this process has had."""

import contextlib
import platform
import sys
from pathlib import Path

from eyebright.runtime import cores


def machine() -> str:
    """How many cores of which processor, and the system."""
    count = cores()
    return f"{count} {'core' if count == 1 else 'cores'} of {processor()}, {platform.system()}"


def processor() -> str:
    """The processor's name."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def peak_bytes() -> int | None:
    """The most memory that this process has had at once; None where the system does not say."""
    with contextlib.suppress(OSError):  # Linux: of this program alone, not of what the process was before
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
