"""A statistical head in a model file says what scikit-learn says."""

import numpy as np
import onnx
import onnxruntime
import pytest

pytest.importorskip("sklearn")

from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from eyebright.classifier.traditional import HEADS, fit, standard
from eyebright.errors import BadModelFile, BadRequest
from eyebright.evaluation.calibration import activate
from eyebright.export.head import logits_of, with_fitted, with_head

SIZE, WIDTH = 8, 24


def embeddings(n=160, labels=4, seed=0):
    """(n, WIDTH) around a center for each label, rectified as a network's; and their labels."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(labels, WIDTH))
    truth = random.integers(0, labels, n)
    return np.maximum(centers[truth] + random.normal(size=(n, WIDTH)), 0).astype(np.float32), truth


def tags(n=160, labels=3, seed=0):
    """Embeddings and targets of several labels each, a third of them unknown."""
    x, _ = embeddings(n, seed=seed)
    random = np.random.default_rng(seed)
    targets = (x[:, :labels] + 0.3 * random.normal(size=(n, labels)) > 0.5).astype(float)
    return x, np.where(random.random((n, labels)) < 0.3, np.nan, targets)


def standardized(x, like):
    center, scale = standard(like)
    return (x - center) * scale


def oracle(kind, x, y, new):
    """Probabilities (N, L), or for machines that give none, distances as logits."""
    z, new_z = standardized(x, x), standardized(new, x)
    match kind:
        case "logistic":
            # of two labels scikit-learn fits one row of weights, we two halves of it, each paid for
            cost = 0.5 if y.max() > 1 else 1.0
            return LogisticRegression(C=cost, max_iter=1000).fit(z, y).predict_proba(new_z)
        case "naive-bayes":
            return GaussianNB(var_smoothing=0.1).fit(z, y).predict_proba(new_z)
        case "tree":
            return DecisionTreeClassifier(min_samples_leaf=5, max_depth=20, random_state=0).fit(x, y).predict_proba(new)
        case "forest":
            model = RandomForestRegressor(20, max_features="sqrt", max_depth=20, random_state=0)
            return model.fit(x, np.eye(y.max() + 1)[y]).predict(new)
        case "nearest":
            return KNeighborsClassifier(10, metric="cosine").fit(x, y).predict_proba(new)
    make = {"svm": LinearSVC(C=0.001, random_state=0), "svm-rbf": SVC(gamma=1 / WIDTH)}[kind]
    labels = range(y.max() + 1)
    if len(labels) == 2:
        distance = make.fit(z, y).decision_function(new_z)
        return activate(np.stack([-distance, distance], axis=1) / 2, "binary")
    return activate(np.stack([make.fit(z, y == at).decision_function(new_z) for at in labels], axis=1), "single")


OPTIONS = {"logistic": {"c": 0.5}, "forest": {"trees": 20}}


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("labels", [2, 4])
def test_scores_are_scikit_learns(kind, labels):
    x, truth = embeddings(labels=labels)
    new, _ = embeddings(50, labels, seed=1)
    task = "binary" if labels == 2 else "single"
    head = fit(kind, x, np.eye(labels)[truth], task, **OPTIONS.get(kind, {}))
    scores = activate(logits_of(head, new, task), task)
    # how far a search for the best weights is taken differs, what is written down of the others does not
    assert scores == pytest.approx(oracle(kind, x, truth, new), abs=2e-3 if kind == "logistic" else 1e-4)
    assert (scores.argmax(1) == embeddings(50, labels, seed=1)[1]).mean() > 0.6


@pytest.mark.parametrize("kind", ["logistic", "svm", "svm-rbf", "naive-bayes"])
def test_each_label_of_many_is_learned_from_the_pictures_where_it_is_known(kind):
    x, targets = tags()
    new, _ = tags(50, seed=1)
    logits = logits_of(fit(kind, x, targets, "multi", **OPTIONS.get(kind, {})), new, "multi")
    altered = np.where(np.isnan(targets), 0.0, targets)
    assert not np.allclose(logits, logits_of(fit(kind, x, altered, "multi"), new, "multi"), atol=1e-2)
    if kind == "logistic":
        z, new_z = standardized(x, x), standardized(new, x)
        for at in range(3):
            known = ~np.isnan(targets[:, at])
            model = LogisticRegression(C=0.5, max_iter=1000).fit(z[known], targets[known, at])
            assert activate(logits, "multi")[:, at] == pytest.approx(model.predict_proba(new_z)[:, 1], abs=2e-3)


@pytest.mark.parametrize("kind", HEADS)
def test_all_methods_learn_many_labels(kind):
    x, targets = tags(400)
    new, expected = tags(100, seed=1)
    scores = activate(logits_of(fit(kind, x, targets, "multi"), new, "multi"), "multi")
    known = ~np.isnan(expected)
    assert ((scores > 0.5) == (expected > 0.5))[known].mean() > 0.7
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_label_without_a_picture_is_never_said(kind, task):
    """As may happen in a part of a cross-validation."""
    x, truth = embeddings(labels=3)
    targets = np.eye(4)[truth]
    scores = activate(logits_of(fit(kind, x, targets, task), x, task), task)
    assert scores[:, 3].max() < 1e-3


@pytest.mark.parametrize("kind", HEADS)
def test_the_same_pictures_give_the_same_head(kind):
    x, truth = embeddings()
    first, second = (logits_of(fit(kind, x, np.eye(4)[truth], "single"), x, "single") for _ in range(2))
    assert np.array_equal(first, second)


def test_constant_features_do_no_harm():
    x, truth = embeddings()
    x[:, 3] = 5.0
    for kind in HEADS:
        assert np.isfinite(logits_of(fit(kind, x, np.eye(4)[truth], "single"), x, "single")).all()


def test_nothing_to_tell_apart_and_unknown_names_are_refused():
    x, _ = embeddings(10)
    with pytest.raises(BadRequest, match="nothing to tell apart"):
        fit("svm", x, np.tile([1.0, 0.0], (10, 1)), "single")
    with pytest.raises(BadRequest, match="there are logistic"):
        fit("perceptron", x, np.eye(2)[[0, 1] * 5], "single")
    with pytest.raises(BadRequest, match="at most 10,000"):
        fit("svm-rbf", np.zeros((10_001, 1)), np.eye(2)[np.arange(10_001) % 2], "single")


@pytest.fixture(scope="module")
def encoder():
    """A model file's graph: the pixels of a row of 8 as they are, an embedding of 24, and a linear head."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["turned"], perm=[0, 2, 3, 1]),
        helper.make_node("ReduceMean", ["turned", "axes"], ["mean"], keepdims=0),
        helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
        helper.make_node("Div", ["flat", "scale"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "head.weight", "head.bias"], ["logits"], "head", transB=1),
        helper.make_node("Div", ["logits", "temperature"], ["div"]),
        helper.make_node("Softmax", ["div"], ["scores"], axis=1),
    ]
    constants = {
        "axes": np.array([3]), "scale": np.float32(64), "temperature": np.float32(1.5),
        "head.weight": np.ones((5, WIDTH), np.float32), "head.bias": np.zeros(5, np.float32),
    }  # fmt: skip
    outputs = [("scores", 5), ("logits", 5), ("embedding", WIDTH)]
    graph = helper.make_graph(
        nodes, "classifier",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size]) for name, size in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model, images, *outputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(outputs), {"image": images})


def some_images(n=40):
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("kind", HEADS)
def test_every_kind_of_head_takes_its_place_in_a_model_file(encoder, kind, task):
    images = some_images()
    (x,) = run(encoder, images, "embedding")
    truth = np.random.default_rng(1).integers(0, 3, len(x))
    head = fit(kind, x, np.eye(3)[truth], task)
    model = with_fitted(encoder, head, task, temperature=2.0)
    scores, logits, embedding = run(model, images, "scores", "logits", "embedding")
    assert logits == pytest.approx(logits_of(head, x, task), abs=1e-4)
    assert scores == pytest.approx(activate(logits / 2, task), abs=1e-6)
    assert np.array_equal(embedding, x)
    assert [entry.domain for entry in model.opset_import] == [""]
    assert run(model, images[:1], "scores")[0] == pytest.approx(scores[:1], abs=1e-5)


def test_a_new_head_leaves_nothing_of_the_old(encoder):
    before = encoder.SerializeToString()
    weight = np.random.default_rng(0).normal(size=(7, WIDTH)).astype(np.float32)
    model = with_head(encoder, weight, np.arange(7), "single", 3.0)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert set(constants) == {"axes", "scale", "head.weight", "head.bias", "temperature"}
    assert np.array_equal(constants["head.weight"], weight)
    assert constants["temperature"] == 3
    shapes = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in model.graph.output}
    assert shapes == {"scores": 7, "logits": 7, "embedding": WIDTH}
    assert encoder.SerializeToString() == before


def test_a_head_of_another_width_is_refused(encoder):
    with pytest.raises(BadModelFile, match="24 numbers; the head is for 10"):
        with_head(encoder, np.zeros((2, 10)), np.zeros(2), "binary")


def test_a_model_without_an_embedding_takes_no_head(encoder):
    without = onnx.ModelProto()
    without.CopyFrom(encoder)
    del without.graph.output[2]
    with pytest.raises(BadModelFile, match="no `embedding`"):
        with_head(without, np.zeros((2, WIDTH)), np.zeros(2), "binary")
