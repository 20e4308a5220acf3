"""NASNet-A mobile is the paper's, and its cells are data."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.count import count, weightless  # noqa: E402
from eyebright.encoders.genotype import NASNET_A, Genotype, Step, Wiring  # noqa: E402
from eyebright.encoders.nasnet import Cell, nasnet  # noqa: E402


def test_it_has_its_published_size_and_cost():
    """5.3 million parameters, in public implementations 5,289,978, and 564 million multiply-adds."""
    counts = count(network("nasnet-mobile"), (224, 224, 3))
    assert counts.num_parameters == 5_289_978
    assert counts.num_macs == pytest.approx(564e6, rel=0.001)


@pytest.mark.parametrize(("size", "stride"), [(224, 32), (64, 16), (32, 8)])
def test_small_pictures_keep_a_map_of_four_places_a_side(size, stride):
    encoder = weightless(partial(ENCODERS["nasnet-mobile"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, 1056, size // stride, size // stride)


TINY = Genotype(
    normal=Wiring((Step("separable 3x3", 0, "max 3x3", 1),), (0, 1, 2)),
    reduction=Wiring((Step("skip", 0, "average 3x3", 1), Step("skip", 2, "separable 5x5", 0)), (3,)),
)


@pytest.mark.parametrize("size", [32, 45, 64, 97])
def test_another_genotype_builds_another_network_that_learns(size):
    """Of even and odd sizes, down to the smallest: every weight gets a gradient."""
    encoder = nasnet(TINY, width=0.25, depth=0.5, size=size)
    features = encoder(torch.randn(2, 3, size, size))
    side = -(-size // encoder.stride)
    assert features.shape == (2, encoder.num_features, side, side)
    features.square().sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())


@torch.inference_mode()
def test_a_cell_sees_what_the_two_before_it_gave():
    """The second state is not the first: a change in either changes what a cell gives."""
    cell = Cell(NASNET_A.normal, c_last=8, c_before=8, channels=8, stride=1, behind=2).eval()
    last, before = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 8, 8)
    given, passed_on = cell((last, before))
    assert passed_on is last
    assert given.shape == (1, 48, 4, 4)
    assert not torch.equal(cell((last + 1, before))[0], given)
    assert not torch.equal(cell((last, before + 1))[0], given)


@torch.inference_mode()
def test_of_a_map_twice_as_large_no_place_is_lost_but_every_other():
    """Half the channels come from the even places and half from the odd ones, shifted by one both ways."""
    cell = Cell(NASNET_A.normal, c_last=8, c_before=8, channels=8, stride=1, behind=2).eval()
    dark = cell.before(torch.zeros(1, 8, 8, 8))
    for row, column, channels in ((2, 2, slice(0, 4)), (3, 3, slice(4, 8))):
        picture = torch.zeros(1, 8, 8, 8)
        picture[..., row, column] = 1
        changed = (cell.before(picture) != dark).any(-1).any(-1)[0]
        assert changed[channels].any()
        assert changed.sum() == changed[channels].sum()


def test_depth_is_normal_cells():
    for depth, cells in ((0.1, 4 + 3), (1.25, 4 + 15)):
        encoder = weightless(partial(ENCODERS["nasnet-mobile"], depth=depth))
        assert sum(isinstance(module, Cell) for module in encoder.modules()) == cells
