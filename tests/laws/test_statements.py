"""Law 5: scores of siblings make their parent's, and nothing is said that is less sure than its threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.labels import Hierarchy, imagenet
from eyebright.modelfile import Golden, GoldenPicture, Input, Label, Metadata
from eyebright.recognize.statement import Row, Words

LABELS, PARENTS = imagenet()


@st.composite
def models(draw):
    """Metadata of a model with a hierarchy of any shape, and scores that it could give."""
    inner = draw(st.integers(0, 5))
    above = [None if at == 0 else draw(st.none() | st.integers(0, at - 1)) for at in range(inner)]
    hierarchy = tuple(Label(f"p{at}", f"parent {at}", None if up is None else f"p{up}") for at, up in enumerate(above))
    task = draw(st.sampled_from(["single", "multi", "binary"]))
    count = 2 if task == "binary" else draw(st.integers(1, 8))
    parents = [draw(st.none() | st.integers(0, inner - 1)) if inner else None for _ in range(count)]
    labels = tuple(Label(f"l{at}", f"label {at}", None if up is None else f"p{up}") for at, up in enumerate(parents))
    scores = np.array(draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count)), np.float32)
    if task != "multi":
        scores = scores / max(scores.sum(), 1e-3) if scores.sum() else np.full(count, 1 / count, np.float32)
    thresholds = draw(st.dictionaries(st.sampled_from([label.id for label in labels]), st.floats(0, 1)))
    golden = Golden(0.05, False, (GoldenPicture("AAAA", 1, 1, 8, (0.0,) * count),))
    metadata = Metadata(1, "made", task, labels, Input(8), golden, hierarchy, thresholds)
    return metadata, scores.astype(np.float32)


@given(models(), st.integers(1, 8), st.none() | st.floats(0, 1))
def test_a_parent_is_the_sum_or_the_maximum_of_its_children(model, top, threshold):
    """A cat photo split between tabby, tiger cat and Egyptian cat says cat."""
    metadata, scores = model
    hierarchy = Hierarchy.of(metadata)
    found = hierarchy.all_scores(scores)
    assert np.allclose(found[: len(scores)], scores)
    for at, node in enumerate(hierarchy.nodes):
        children = [found[below] for below, child in enumerate(hierarchy.nodes) if child.parent == node.id]
        if at >= len(scores):
            expected = max(children, default=0) if metadata.task == "multi" else min(sum(children), 1)
            assert found[at] == pytest.approx(expected, abs=1e-6)


@given(models(), st.integers(1, 8), st.none() | st.floats(0, 1))
def test_a_summary_is_never_less_sure_than_its_threshold(model, top, threshold):
    """A statement below the line is worse than none; the line is compared with the very number that is shown."""
    metadata, scores = model
    words = Words(metadata, top, threshold)
    prediction = words.prediction(Row("photo.jpg", scores=scores))
    summary = prediction.summary
    assert (summary is None) == (prediction.reason == "unsure")
    if summary:
        assert summary.score >= summary.threshold
        own = metadata.thresholds if threshold is None else {}
        assert summary.threshold == own.get(summary.id, 0.6 if threshold is None else threshold)
        if summary.id.startswith("p"):
            assert summary.id in {parent.id for parent in prediction.parents}
    else:
        could_be_said = prediction.labels[:1] if metadata.task == "single" else prediction.labels
        assert all(row.score < words.needed[int(row.id[1:])] for row in could_be_said)


@given(models(), st.integers(1, 8))
def test_labels_are_sorted_and_their_ancestors_stand_in_parents(model, top):
    """Whoever reads a prediction need not sort it, nor know the hierarchy."""
    metadata, scores = model
    prediction = Words(metadata, top).prediction(Row("photo.jpg", scores=scores))
    assert len(prediction.labels) == min(top, len(scores))
    for rows in (prediction.labels, prediction.parents):
        assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    parent_of = {node.id: node.parent for node in (*metadata.labels, *metadata.hierarchy)}
    shown = {row.id for row in prediction.parents}
    assert all(parent_of[row.id] in {None, *shown} for row in (*prediction.labels, *prediction.parents))
    on = {row.id for row in prediction.labels if row.on is True}
    over = {row.id for row in prediction.labels if row.score >= metadata.thresholds.get(row.id, 0.6)}
    assert on == (over if metadata.task == "multi" else set())


def test_the_hierarchy_of_the_model_that_ships_has_one_parent_a_label():
    """1000 labels, no circle, nothing that hangs in the air."""
    hierarchy = Hierarchy(LABELS, PARENTS)
    assert len(LABELS) == 1000
    scores = np.full(1000, 0.001, np.float32)
    roots = [at for at, node in enumerate(hierarchy.nodes) if node.parent is None]
    assert hierarchy.all_scores(scores)[roots].sum() == pytest.approx(1, abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_siblings_of_the_model_that_ships_sum_to_their_parent(seed):
    """The law over the real hierarchy."""
    hierarchy = Hierarchy(LABELS, PARENTS)
    scores = np.random.default_rng(seed).dirichlet(np.full(1000, 0.02)).astype(np.float32)
    found = hierarchy.all_scores(scores)
    sums = np.zeros(len(found))
    for at, node in enumerate(hierarchy.nodes):
        for above in hierarchy.ancestors(at)[:1]:
            sums[above] += found[at]
        assert node.label
    assert np.allclose(sums[1000:], found[1000:], atol=1e-5)
