"""A genotype: a network from which something was taken, as data."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from eyebright.encoders import slim  # noqa: E402
from eyebright.encoders.slim import Slim  # noqa: E402
from eyebright.errors import BadRequest  # noqa: E402

TINY = Slim(encoder="mobilenet-v2", width=0.25, size=32)


def written(folder, text):
    file = folder / "encoder.toml"
    file.write_text(text)
    return file


def test_a_genotype_survives_being_written_and_read(tmp_path):
    before = Slim(
        encoder="mobilenet-v2",
        width=0.25,
        size=32,
        without=("stage3.2", "stage4.1"),
        channels={"stem.conv": (3, 4), "stage1.0.look.conv": (4, 4), "stage1.0.narrow.conv": (4, 8)},
    )
    assert slim.read(written(tmp_path, before.write())) == before


def test_a_plain_encoder_is_one_from_which_nothing_was_taken():
    torch.manual_seed(0)
    plain = slim.catalog.build("mobilenet-v2", 0.25, size=32)
    torch.manual_seed(0)
    same = slim.build(slim.asked("mobilenet-v2", 0.25, size=32))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), same.parameters(), strict=True))


def test_a_block_that_stays_keeps_its_name_when_its_neighbor_goes():
    whole, cut = slim.build(TINY), slim.build(Slim(**{**vars(TINY), "without": ("stage4.1",)}))
    gone = {name for name in whole.state_dict() if name.startswith("stage4.1.")}
    assert gone
    assert set(cut.state_dict()) == set(whole.state_dict()) - gone


def test_channels_of_a_layer_are_those_of_the_norm_beside_it():
    channels = {"top.conv": (80, 40)}
    encoder = slim.build(Slim(**{**vars(TINY), "channels": channels}))
    assert encoder.num_features == 40
    assert encoder.top.norm.num_features == 40
    assert encoder.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 40, 4, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('encoder = "mobilenet-v9"', "no encoder 'mobilenet-v9'; did you mean mobilenet-v"),
        ('encoder = "other.toml"', "and no file"),
        ('encoder = "resnet-8"\nwidht = 1.0', "did you mean width"),
        ('encoder = "resnet-8"\n[channels]\n"stem.conv" = [3]', "channels"),
        ('encoder = "resnet-8"\n[channels]\n"stem.conv" = ["3", 8]', "channels"),
        ("\x00", "is not TOML"),
        ("width = 1.0", "'encoder' is missing"),
    ],
)
def test_a_file_that_is_no_genotype_is_refused_in_a_sentence(text, says, tmp_path):
    with pytest.raises(BadRequest) as caught:
        slim.read(written(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        ({"without": ("stage9.0",)}, "no block 'stage9.0'"),
        ({"without": ("stem.conv",)}, "do not fit together"),
        ({"without": ("",)}, "no block ''"),
        ({"without": ("stage4.0",)}, "do not fit together"),
        ({"channels": {"stage3.7.look.conv": (8, 8)}}, "no convolution or dense layer"),
        ({"channels": {"": (8, 8)}}, "no convolution or dense layer"),
        ({"channels": {"stem.conv": (3, 10**12)}}, "1 to 8 leave"),
        ({"channels": {"stem.conv": (3, 0)}}, "1 to 8 leave"),
        ({"channels": {"stem.conv": (3, 4)}}, "do not fit together"),
        ({"channels": {"stage1.0.look.conv": (8, 4)}}, "each channel alone"),
        ({"width": 1e9}, "at most 4"),
        ({"size": 10**9}, "1024 pixels"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(taken, says):
    with pytest.raises(BadRequest) as caught:
        slim.build(Slim(**{**vars(TINY), "channels": {"top.conv": (80, 40)}, **taken}))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_width_and_depth_of_a_genotype_cannot_be_changed(tmp_path):
    file = str(written(tmp_path, TINY.write()))
    assert slim.asked(file, 0.25) == TINY
    assert slim.asked(file, size=64).size == 64
    with pytest.raises(BadRequest, match=r"has width 0\.25 once and for all"):
        slim.asked(file, 0.5)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_genotype_or_an_error(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("any") / "encoder.toml"
    file.write_bytes(data)
    with suppress(BadRequest):
        slim.read(file)
