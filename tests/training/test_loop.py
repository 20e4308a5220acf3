"""The loop: what learns, how fast, what is remembered, and what stops it."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from eyebright.training import Recipe  # noqa: E402
from eyebright.training.events import Judged  # noqa: E402
from eyebright.training.loop import (  # noqa: E402
    Diverged,
    frequency,
    label_weights,
    learn_from,
    make_loss,
    set_rate,
    train,
)
from training_learners import ALONE, batch, batches, changed, copied, learner, targets  # noqa: E402


def a_step(learner, batch=batch, **keys):
    loss_of = make_loss("single", learner.recipe, targets())
    return learn_from(batch(), learner.classifier, learner.optimizer, learner.recipe, ALONE, loss_of)


def trained(learner, steps=8, every=4, judge=lambda weights: Judged(0.5, 1.0)):
    loss_of = make_loss("single", learner.recipe, targets())
    return list(train(learner, batches(learner.recipe, steps), judge, every, ALONE, loss_of))


def test_the_rate_climbs_and_falls_along_a_cosine():
    """From almost nothing to its peak at the end of the warm-up, then down to almost nothing."""
    one = learner(rate=0.1, warmup=0.25)
    rates = [set_rate(one.optimizer, one.recipe, step / 100) for step in range(100)]
    assert 0 < rates[0] < 0.001
    assert max(rates) == rates[25] == pytest.approx(0.1)
    assert rates == sorted(rates[:25]) + sorted(rates[25:], reverse=True)
    assert rates[62] == pytest.approx(0.05, rel=0.05)  # half-way down
    assert rates[99] < 0.0002


def test_without_a_warm_up_the_peak_is_at_the_start():
    one = learner(rate=0.1, warmup=0.0)
    assert set_rate(one.optimizer, one.recipe, 0.0) == pytest.approx(0.1)


def test_stages_below_learn_more_slowly():
    """The head at the full rate, each stage at `layer_decay` of the one above it."""
    one = learner(mode="finetune", layer_decay=0.5, rate=0.1, warmup=0.0)
    set_rate(one.optimizer, one.recipe, 0.0)
    rates = {}
    for group in one.optimizer.param_groups:
        for parameter in group["params"]:
            (name,) = (name for name, own in one.classifier.named_parameters() if own is parameter)
            rates[name.removeprefix("encoder.").split(".")[0]] = group["lr"]
    assert rates == pytest.approx({"head": 0.1, "stage2": 0.05, "stage1": 0.025, "stem": 0.0125})


def test_stages_begin_to_learn_from_the_top():
    """What stands still does not change by a bit: neither weights nor the statistics of batch norms."""
    one = learner(mode="finetune", unfreeze=0.8, weight_decay=0.1)
    learns = []
    for progress in (0.0, 0.39, 0.41, 0.79, 0.81):
        before = copied(one)
        one.open_stages(progress)
        a_step(one)
        parts = {name.removeprefix("encoder.").split(".")[0] for name in changed(before, one)}
        learns.append(parts - {"head"})
    assert learns == [{"stage2"}, {"stage2"}, {"stage1", "stage2"}, {"stage1", "stage2"}, {"stem", "stage1", "stage2"}]


def test_frozen_stages_never_learn():
    one = learner(mode="finetune", frozen=0.67)
    before = copied(one)
    one.open_stages(1.0)
    a_step(one)
    assert {name.split(".")[1] for name in changed(before, one) if name.startswith("encoder")} == {"stage2"}


def test_frozen_norms_keep_their_statistics():
    """Their gains learn; the means and variances stay those that came with the weights."""
    one = learner(freeze_norms=True)
    before = copied(one)
    one.open_stages(1.0)
    a_step(one)
    names = changed(before, one)
    assert any(name.endswith("norm.weight") for name in names)
    assert not any("running" in name or "num_batches" in name for name in names)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_biases_and_norms_are_not_pulled_to_zero(optimizer):
    one = learner(optimizer=optimizer, weight_decay=0.3)
    for group in one.optimizer.param_groups:
        assert group["weight_decay"] == (0.3 if group["params"][0].ndim > 1 else 0.0)
        assert len({parameter.ndim > 1 for parameter in group["params"]}) == 1
    held = [id(parameter) for group in one.optimizer.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in one.classifier.parameters())


def test_the_average_follows_the_weights():
    """Quickly at first, since there is little to remember; then with the memory of the recipe."""
    one = learner(ema=0.9)
    assert all(torch.equal(one.average[name], tensor) for name, tensor in one.weights().items())
    with torch.no_grad():
        one.classifier.head.bias.fill_(1.0)
        one.average["head.bias"].fill_(0.0)
    one.step = 1
    one.remember()
    assert one.average["head.bias"].tolist() == pytest.approx([1 - 2 / 11] * 3)
    one.step = 10_000
    one.average["head.bias"].fill_(0.0)
    one.remember()
    assert one.average["head.bias"].tolist() == pytest.approx([0.1] * 3)


def test_without_an_average_the_last_weights_count():
    one = learner(ema=0.0)
    assert one.result()["head.bias"].data_ptr() == one.classifier.head.bias.data_ptr()


def test_long_gradients_are_cut():
    """A step is no longer than `clip` times the rate; without momentum, to see it."""
    one = learner(clip=0.01, momentum=0.0, weight_decay=0.0, rate=1.0)
    before = copied(one)
    a_step(one)
    moved = [(one.weights()[name] - before[name]) for name, _ in one.classifier.named_parameters()]
    assert math.sqrt(sum(float(some.square().sum()) for some in moved)) == pytest.approx(0.01, rel=1e-3)


def test_the_loss_of_one_label_is_the_cross_entropy():
    """With torch's own smoothing."""
    logits, truth = torch.randn(6, 3), torch.from_numpy(targets(6))
    for smoothing in (0.0, 0.2):
        loss = make_loss("single", Recipe(smoothing=smoothing), targets())(logits, truth)
        torch.testing.assert_close(loss, F.cross_entropy(logits, truth.argmax(1), label_smoothing=smoothing))


def test_rare_labels_weigh_more_in_the_loss():
    """By the square root of how rare they are, so that the mean over pictures stays 1."""
    uneven = np.eye(2, dtype=np.float32)[[0] * 90 + [1] * 10]
    weights = label_weights(uneven)
    assert weights[1] / weights[0] == pytest.approx(3.0)
    assert (uneven * weights).sum() / 100 == pytest.approx(1.0)
    loss_of = make_loss("single", Recipe(mode="scratch", balance="weights", smoothing=0.0), uneven)
    even = torch.zeros(1, 2)
    assert float(loss_of(even, torch.tensor([[0.0, 1.0]]))) == pytest.approx(
        3 * float(loss_of(even, torch.tensor([[1.0, 0.0]])))
    )


def test_what_nobody_checked_is_not_learned():
    """No gradient comes from it, whatever the logit is; a picture of which nothing is known costs nothing."""
    truth = torch.tensor([[1.0, torch.nan], [0.0, 1.0], [torch.nan, torch.nan]])
    logits = torch.randn(3, 2, requires_grad=True)
    loss = make_loss("multi", Recipe(smoothing=0.0), truth.numpy())(logits, truth)
    loss.backward()
    assert logits.grad[truth.isnan()].tolist() == [0.0] * 3
    assert bool((logits.grad[~truth.isnan()] != 0).all())
    first, second = (F.binary_cross_entropy_with_logits(logits[at, :].detach()[k], truth[at][k]) for at, k in
                     ((0, [0]), (1, [0, 1])))  # fmt: skip
    assert float(loss.detach()) == pytest.approx(float(first + second) / 3, rel=1e-5)


def test_smoothing_leaves_rare_labels_rare():
    """Who says of every picture how common a label is need not say anything else when targets are smoothed."""
    truth = torch.zeros(10, 2)
    truth[:1, 0] = truth[:5, 1] = 1
    common = truth.mean(0)
    logits = torch.log(common / (1 - common)).repeat(10, 1).requires_grad_()
    make_loss("multi", Recipe(smoothing=0.3), truth.numpy())(logits, truth).backward()
    assert logits.grad.sum(0).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert logits.grad.abs().min() > 0.001


def test_how_common_a_label_is_counts_what_was_checked():
    truth = np.array([[1, 0, np.nan], [0, np.nan, np.nan], [0, np.nan, np.nan], [0, 1, np.nan]], np.float32)
    assert frequency(truth).tolist() == [0.25, 0.5, 0.5]


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("balance", ["none", "weights"])
def test_the_parts_of_a_batch_add_up(task, balance):
    """Several processes learn as one does: the mean of their losses is the loss of the whole batch."""
    truth = torch.from_numpy(targets(6))
    if task == "multi":
        truth[::2, 1] = torch.nan
    loss_of = make_loss(task, Recipe(mode="scratch", balance=balance), truth.numpy())
    logits = torch.randn(6, 3)
    parts = [loss_of(logits[rows], truth[rows]) for rows in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(sum(parts) / 2, loss_of(logits, truth))


def test_the_loss_falls_and_the_best_is_kept():
    """What is remembered as the best are the weights of that moment."""
    losses = iter([0.9, 0.5, 0.7, 0.6])
    seen = []

    def judge(weights):
        seen.append({name: tensor.clone() for name, tensor in weights.items()})
        return Judged(0.8, next(losses))

    one = learner(rate=0.1)
    progress = trained(one, steps=40, every=10, judge=judge)
    assert [event.step for event in progress] == list(range(1, 41))
    assert progress[-1].loss < 0.8 * progress[0].loss
    assert [event.step for event in progress if event.judged] == [10, 20, 30, 40]
    assert [event.step for event in progress if event.best] == [10, 20]
    assert one.best == Judged(0.8, 0.5)
    assert one.worse == 2
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in one.best_weights.items())


def test_the_one_that_is_less_surprised_is_better():
    """Of a small validation split the loss says more than the share of right answers, which moves in steps."""
    assert Judged(0.5, 1.0).better_than(Judged(0.6, 1.1), "single")
    assert not Judged(0.5, 1.1).better_than(Judged(0.5, 1.1), "binary")
    assert Judged(0.6, 1.1).better_than(Judged(0.5, 1.0), "multi")
    assert not Judged(0.5, 1.1).better_than(Judged(0.5, 1.0), "multi")


def test_patience_ends_a_run():
    """After so many judgements without a better one; and a run that has ended so does not go on."""
    one = learner(patience=2)
    assert trained(one, steps=40, every=3)[-1].step == 9
    assert trained(one, steps=40, every=3) == []


def test_all_steps_taken_is_all():
    one = learner()
    assert len(trained(one, steps=5)) == 5
    assert trained(one, steps=5) == []


def test_a_loss_that_is_no_number_stops_before_it_is_learned():
    """The step is named, what to do is said, and the weights are those of the step before."""
    one = learner()
    made = batches(one.recipe)
    honest = made.batch
    made.batch = lambda step: (
        honest(step)._replace(targets=torch.full((6, 3), torch.nan)) if step == 5 else honest(step)
    )
    loss_of = make_loss("single", one.recipe, targets())
    going = train(one, made, lambda weights: Judged(0.5, 1.0), 100, ALONE, loss_of)
    for _ in range(5):
        next(going)
    before = copied(one)
    with pytest.raises(Diverged, match=r"The loss is nan at step 5: the rate .* a lower rate"):
        next(going)
    assert one.step == 5
    assert not any(name.endswith(("weight", "bias")) for name in changed(before, one))
    one.check()


def test_weights_that_are_no_numbers_are_not_saved():
    """A gradient may overflow where the loss did not."""
    one = learner()
    with torch.no_grad():
        one.classifier.encoder.stem.conv.weight[0] = torch.inf
    with pytest.raises(Diverged, match=r"encoder\.stem\.conv\.weight is no number"):
        one.check()


def test_a_judgement_that_is_no_number_is_none():
    """NaN compares with nothing: it would be the best for ever."""
    with pytest.raises(Diverged, match="loss on the validation split is nan after step 4"):
        trained(learner(), judge=lambda weights: Judged(0.9, math.nan))
