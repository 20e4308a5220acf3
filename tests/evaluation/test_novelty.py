"""What a model did not learn from lies outside the directions in which its own pictures differ."""

import numpy as np
import onnx
import pytest

from eyebright import modelfile
from eyebright.errors import BadModelFile
from eyebright.evaluation.novelty import Familiar, fit, novelty
from eyebright.export.novelty import with_novelty
from eyebright.modelfile import from_bytes
from eyebright.runtime import open_runtime
from models import graph, metadata, sealed


def own_and_others(seed=0, width=40, rank=8, count=200):
    random = np.random.default_rng(seed)
    directions = random.normal(size=(rank, width))
    own = random.normal(size=(count, rank)) @ directions + 0.1 * random.normal(size=(count, width)) + 3
    return own.astype(np.float32), (random.normal(size=(50, width)) * 3 + 3).astype(np.float32)


@pytest.mark.parametrize("count", [30, 400])
def test_what_lies_elsewhere_is_newer(count):
    """With fewer and with more pictures than features."""
    own, others = own_and_others(count=2 * count)
    familiar = fit(own[:count])
    assert novelty(own[count:], familiar).max() < novelty(others, familiar).min()
    assert (novelty(others, familiar) <= 1).all()


@pytest.mark.parametrize("count", [30, 400])
def test_directions_stand_at_right_angles(count):
    """As nearly as 8 bits allow."""
    directions = fit(own_and_others(count=count)[0]).directions
    np.testing.assert_allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=0.03)


def test_a_longer_embedding_is_not_newer():
    own, others = own_and_others()
    familiar = fit(own)
    longer = familiar.mean + 2 * (others - familiar.mean)
    np.testing.assert_allclose(novelty(longer, familiar), novelty(others, familiar), atol=1e-5)


def test_of_few_pictures_or_of_one_many_times_nothing_is_known():
    assert fit(own_and_others()[0][:10]) is None
    assert fit(np.ones((100, 8), np.float32)) is None


def test_the_graph_says_what_numpy_says():
    """And its other outputs stay as they are, also when it is added a second time."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (16, 8, 8, 3)).astype(np.uint8)
    before = open_runtime(sealed())
    embeddings, scores = before.run(images, ["embedding", "scores"])
    first = Familiar(np.zeros(3, np.float32), np.eye(3, 2, dtype=np.float32))
    second = Familiar(np.array([0.4, 0.5, 0.6], np.float32), np.eye(3, 1, dtype=np.float32))
    changed = with_novelty(with_novelty(graph(), first), second)
    after = open_runtime(from_bytes(modelfile.attach(changed, metadata())))
    said, same = after.run(images, ["novelty", "scores"])
    np.testing.assert_allclose(said, novelty(embeddings, second), atol=1e-5)
    np.testing.assert_array_equal(same, scores)
    assert len(changed.graph.output) == len(graph().graph.output) + 1


def test_an_embedding_of_another_width_is_refused():
    with pytest.raises(BadModelFile, match="4 numbers"):
        with_novelty(graph(), Familiar(np.zeros(4, np.float32), np.eye(4, 1, dtype=np.float32)))
    without = onnx.ModelProto()
    with pytest.raises(BadModelFile, match="embedding"):
        with_novelty(without, Familiar(np.zeros(4, np.float32), np.eye(4, 1, dtype=np.float32)))
