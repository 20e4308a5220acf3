"""From a float model file to an int8 one: what is chosen, what is fitted again, what is refused."""

import msgspec
import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from eyebright import modelfile, selftest  # noqa: E402
from eyebright.compression import int8  # noqa: E402
from eyebright.compression.int8 import divergence, lighter, to_int8  # noqa: E402
from eyebright.compression.quantize import quantize  # noqa: E402
from eyebright.compression.ranges import of_least_error  # noqa: E402
from eyebright.compression.rounding import learned  # noqa: E402
from eyebright.data import Dataset  # noqa: E402
from eyebright.errors import BadRequest, Refused  # noqa: E402
from eyebright.evaluation import calibration  # noqa: E402
from eyebright.evaluation.drop import Allowed  # noqa: E402
from eyebright.runtime import open_runtime  # noqa: E402
from eyebright.training import Recipe, train  # noqa: E402
from eyebright.training.events import Said  # noqa: E402
from models import sealed  # noqa: E402

KEYS = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 6.0, "batch": 14, "threads": 1, "save_s": 0.0}
ANY = Allowed(1.0, 1.0)


def silent(event):
    pass


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def full(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("int8") / "run"
    return modelfile.read(train(data, run, Recipe.of("scratch", KEYS)).model)


@pytest.fixture(scope="module")
def made(full, data):
    return to_int8(full, data, ANY, silent, turns=0)


@pytest.fixture(scope="module")
def case(full, data):
    return int8.prepared(full, data, ANY, int8.PICTURES, silent)


def broken(file):
    """A model that 8 bits destroy: one layer has huge weights, all for a channel in which nothing ever is."""
    graph = onnx.load_from_string(file.data)
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    first, second = [node for node in graph.graph.node if node.op_type == "Conv"][1:3]

    def put(name, where, value):
        values = onnx.numpy_helper.to_array(tensors[name]).copy()
        values[where] = value
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(values, name))

    put(first.input[1], 0, 0)
    put(first.input[2], 0, 0)
    put(second.input[1], (slice(None), 0), 1e4)
    return modelfile.from_bytes(selftest.seal(graph, file.metadata), "broken.onnx")


def test_the_file_passes_its_own_test_and_says_how_it_was_made(full, made):
    selftest.open_tested(made.file)
    card = made.file.metadata.card
    assert (card.precision, made.back) == ("int8", ())
    assert card.lineage[:-1] == full.metadata.card.lineage
    assert card.lineage[-1].startswith(
        "quantized to int8, statically, per channel: calibrated with 42 training pictures"
    )
    assert made.file.metadata.golden.same_top
    assert made.file.metadata.labels == full.metadata.labels
    assert made.file.metadata.name == full.metadata.name
    assert made.file.metadata.input == full.metadata.input
    assert made.file.metadata.card.parameters == full.metadata.card.parameters
    assert len(made.file.data) < len(full.data) / 2


def test_quantizing_twice_gives_the_same_bytes(full, data, made):
    assert to_int8(full, data, ANY, silent, turns=0).file.data == made.file.data


def test_temperature_thresholds_and_novelty_are_those_of_the_int8_network(data, made):
    said = made.file.metadata
    runtime = open_runtime(made.file)
    some = data.part("validation")
    pixels = np.stack([int8.fit(some.picture(item, 32), said.input) for item in some.items])
    scores, logits = runtime.run(pixels, ["scores", "logits"])
    temperature = calibration.fit_temperature(logits, some.targets(), "single")
    assert scores == pytest.approx(calibration.activate(logits / temperature, "single"), abs=1e-3)
    assert "24 validation pictures" in said.card.calibration
    assert said.abstain is not None
    assert said.abstain.method == "novelty"
    (novelty,) = runtime.run(pixels, ["novelty"])
    assert 0 < np.mean(novelty <= said.abstain.threshold) <= 1
    assert said.card.metrics["top1"].n == 24
    assert "test split" in said.card.metrics["top1"].method


def test_it_is_judged_on_pictures_that_had_no_say(data, made):
    assert {item.split for item in made.judged.data.items} == {"test"}
    assert made.judged.verdict.whole.pictures == len(data.part("test").items)
    assert made.judged.smaller
    assert not made.judged.faster, "nothing was timed"
    made.judged.must_hold()


def test_the_original_stays_as_it_is(full, made):
    assert modelfile.from_bytes(full.data).sha256 == full.sha256 != made.file.sha256


def test_layers_go_back_to_float_by_what_each_saves_until_it_is_enough(full, data, monkeypatch):
    found = []
    real = int8.way_of

    def lossy(case, graph):
        """As if every convolution in integers cost a point."""
        weights = [tensor.name for tensor in graph.graph.initializer if tensor.name.endswith(".weight_quantized")]
        found.append(len(weights))
        return real(case, graph)._replace(lost=0.01 * len(weights))

    monkeypatch.setattr(int8, "way_of", lossy)
    monkeypatch.setattr(int8, "MOST_BACK", 0.9)
    said = []
    layers = found_layers(full)
    made = to_int8(full, data, Allowed(0.01 * (layers - 2), 1.0), lambda event: said.append(event), turns=0)
    assert found == [layers, layers, layers - 1, layers - 2]
    assert len(made.back) == 2
    assert made.file.metadata.card.precision == "mixed"
    assert f"back in float: {', '.join(made.back)}" in made.file.metadata.card.lineage[-1]
    floats = {node.input[1] for node in onnx.load_from_string(made.file.data).graph.node if node.op_type == "Conv"}
    assert len([name for name in floats if name.endswith(".weight")]) <= 2
    assert any("in float:" in event.text for event in said if isinstance(event, Said))
    # some of it is computed in integers, where processors differ: its self-test is that of int8
    assert made.file.metadata.golden.tolerance == 0.05


def found_layers(file):
    return sum(node.op_type in int8.LAYERS and "novelty" not in node.name for node in file_graph(file).graph.node)


def file_graph(file):
    return onnx.load_from_string(file.data)


def test_the_layer_that_is_hurt_most_comes_first(full, data):
    hurt = broken(full)
    case = int8.prepared(hurt, data, ANY, int8.PICTURES, silent)
    limits = of_least_error(int8.histograms_of(case, silent))
    order = int8.ranked(case, limits, silent)
    convolutions = [node.name for node in case.graph.graph.node if node.op_type == "Conv"]
    assert order[0] == convolutions[2], "its weights must tell apart more than 8 bits can"
    assert int8.way(case, limits, order[:1]).far < 0.5 * int8.way(case, limits).far


def test_a_model_that_8_bits_destroy_is_saved_by_the_one_layer_that_they_destroy(full, data):
    hurt = broken(full)
    made = to_int8(hurt, data, Allowed(0.0, 1.0), silent, turns=0)
    assert made.back[0] == [node.name for node in file_graph(hurt).graph.node if node.op_type == "Conv"][2]
    assert made.judged.found.agreement.value > 0.8


def test_what_cannot_be_kept_is_refused_with_what_came_nearest(full, data, monkeypatch):
    real = int8.way_of
    monkeypatch.setattr(int8, "way_of", lambda case, graph: real(case, graph)._replace(lost=0.25))
    with pytest.raises(Refused) as error:
        to_int8(full, data, Allowed(), silent, turns=0)
    said = str(error.value)
    assert said.startswith(
        "Nothing is written: in 8 bits it loses 25.00 points on the validation split and 0.5 are allowed"
    )
    assert said.endswith("let the rounding learn (--learn 10m), or allow more (--max-drop).")
    assert "\n" not in said


def distance(case, graph):
    wanted, said = (calibration.activate(some, case.task) for some in (case.logits, int8.run(graph, case.choosing)))
    return divergence(wanted, said, case.task)


def test_learned_rounding_brings_it_nearer(case):
    """From coarse ranges: what the weights can make good of it, they do."""
    coarse = {
        name: (3 * low, 3 * high) for name, (low, high) in of_least_error(int8.histograms_of(case, silent)).items()
    }
    small = quantize(case.graph, coarse)
    events = []
    after = learned(case.graph, small, case.calibrating, "single", 6.0, events.append)
    seen = case._replace(choosing=case.calibrating, logits=int8.run(case.graph, case.calibrating))
    assert distance(seen, after) < distance(seen, small)
    assert events[-1].step == events[-1].steps
    changed = {
        one.name
        for one, other in zip(small.graph.initializer, after.graph.initializer, strict=True)
        if one.raw_data != other.raw_data
    }
    assert changed
    assert all(name.endswith("_quantized") for name in changed)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_who_says_the_same_is_no_distance_away(task):
    random = np.random.default_rng(0)
    a, b = (calibration.activate(random.normal(0, 2, (20, 4)), task) for _ in range(2))
    assert divergence(a, a, task) == pytest.approx(0, abs=1e-9)
    assert divergence(a, b, task) > 0


def test_an_int8_model_is_not_quantized_again(made, data):
    for call in (lambda: to_int8(made.file, data, ANY, silent), lambda: lighter(made.file, data, ANY, "half", silent)):
        with pytest.raises(BadRequest, match="is int8 already; give the float model file"):
            call()


def test_a_model_whose_work_no_integer_operator_does_is_named_with_its_layer(data):
    file = sealed()
    labels = tuple(
        msgspec.structs.replace(one, id=label.id, label=label.label)
        for one, label in zip(file.metadata.labels, data.labels, strict=True)
    )
    file = msgspec.structs.replace(file, metadata=msgspec.structs.replace(file.metadata, labels=labels))
    with pytest.raises(BadRequest, match=r"MatMul \(first\) cannot be computed in 8 bits here"):
        to_int8(file, data, ANY, silent)


def test_too_few_pictures_do_not_calibrate(full, data):
    few = data.only([*data.part("train").items[:15], *data.part("validation").items, *data.part("test").items])
    with pytest.raises(BadRequest, match="15 pictures are too few to calibrate with; give 16 at least, or 200"):
        to_int8(full, few, ANY, silent)


@pytest.mark.parametrize("how", ["half", "int8"])
def test_lighter_weights_need_only_pictures_that_report(full, data, how):
    made = lighter(full, data.part("test"), Allowed(), how, silent, turns=0)
    assert made.judged.smaller
    assert made.judged.verdict.whole.change.value == pytest.approx(0, abs=0.05)
    assert "computed in float32" in made.steps[0]
