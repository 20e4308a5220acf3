"""Memory that is freed between two steps."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

AFRESH = """
import resource
import numpy as np
from eyebright.training.memory import keep_freed
kept = KEEP and keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(8_000_000)
before = faults()
for _ in range(5):
    np.ones(8_000_000)
print(int(kept), faults() - before)
"""


def run(keep: bool) -> tuple[bool, int]:
    program = AFRESH.replace("KEEP", str(keep))
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    kept, faults = done.stdout.split()
    return kept == "1", int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_a_block_that_is_taken_again_costs_no_new_pages() -> None:
    kept, few = run(keep=True)
    if not kept:
        pytest.skip("another C library than glibc")
    _, many = run(keep=False)
    assert few < 1000 < many
