"""A genotype is checked where it is written down: what cannot be built is refused in a sentence."""

import pytest

pytest.importorskip("torch")

from eyebright.encoders.genotype import NASNET_A, OPERATIONS, Genotype, Step, Wiring
from eyebright.encoders.nasnet import BUILDERS
from eyebright.errors import BadRequest
from eyebright.tomlfile import checked, table

LOOK = Step("separable 3x3", 0, "skip", 1)


def test_every_operation_can_be_built():
    assert set(BUILDERS) == set(OPERATIONS)


def test_nasnet_a_is_the_papers():
    """Five steps a cell; a normal one gives six maps side by side, a reduction four."""
    assert [len(cell.steps) for cell in (NASNET_A.normal, NASNET_A.reduction)] == [5, 5]
    assert [len(cell.output) for cell in (NASNET_A.normal, NASNET_A.reduction)] == [6, 4]
    assert 4 * 4 * 11 * len(NASNET_A.normal.output) == 1056


@pytest.mark.parametrize(("steps", "output", "says"), [
    ((), (0,), "1 to 32 steps"),
    ((LOOK,) * 33, (34,), "1 to 32 steps"),
    ((Step("skip", 0, "dilated 3x3", 1),), (2,), "no operation 'dilated 3x3'"),
    ((Step("skip", 0, "skip", 2),), (2,), "Step 1 uses state 2"),
    ((Step("skip", -1, "skip", 1),), (2,), "Step 1 uses state -1"),
    ((LOOK,), (), "some of its states 0 to 2"),
    ((LOOK,), (3,), "some of its states 0 to 2"),
    ((LOOK, LOOK), (3,), "State 2 is never used"),
    ((Step("skip", 0, "skip", 0),), (2,), "State 1 is never used"),
])  # fmt: skip
def test_a_cell_that_cannot_be_meant_is_refused(steps, output, says):
    with pytest.raises(BadRequest, match=says):
        Wiring(steps, output)


def test_what_a_reduction_gives_is_halved():
    whole = Wiring((LOOK,), (1, 2))
    with pytest.raises(BadRequest, match="not halved"):
        Genotype(normal=whole, reduction=whole)


WRITTEN = """
[normal]
steps = [["separable 3x3", 0, "skip", 1]]
output = [1, 2]
[reduction]
steps = [["max 3x3", 0, "separable 5x5", 1]]
output = [2]
"""


def test_a_person_can_write_a_genotype_down():
    genotype = checked(table(WRITTEN, "mine.toml"), Genotype, "mine.toml")
    assert genotype.normal == Wiring((LOOK,), (1, 2))
    with pytest.raises(BadRequest, match="no operation 'min 3x3'"):
        checked(table(WRITTEN.replace("max", "min"), "mine.toml"), Genotype, "mine.toml")
