"""Channels and blocks that are taken out are gone, and nothing else changed."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from eyebright.classifier import Classifier
from eyebright.compression import blocks, channels
from eyebright.compression.norms import recalibrate, settle
from eyebright.encoders import ENCODERS, slim
from eyebright.encoders.slim import Slim
from eyebright.errors import BadRequest
from eyebright.export import parity
from eyebright.export.onnx import to_onnx
from eyebright.training.network import head_of, shaped

LABELS = 5
QUICK = ("mobilenet-v3-small", "resnet-8", "squeezenet-1.1")
"""Weights of channels, maps that are added, maps side by side."""


def network(name, head="paper", width=0.25, side=64):
    """A small one of this family, as if it had learned: its norms are no two alike."""
    torch.manual_seed(0)
    shape = Slim(encoder=name, width=width, depth=0.25, size=side)
    encoder = slim.build(shape)
    classifier = Classifier(encoder, head_of(shape, head, encoder, LABELS), "single", (127.0,), (60.0,))
    for layer in classifier.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
    recalibrate(classifier, pictures(side))
    return classifier, shape


def pictures(side, count=8):
    return torch.from_numpy(parity.pictures(side)).float().repeat(-(-count // 4), 1, 1, 1)[:count]


def targets(count=8):
    return torch.eye(LABELS)[torch.arange(count) % LABELS]


def loss(logits, wanted):
    return -(wanted * logits.log_softmax(1)).sum(1).mean()


def ranked(classifier, side, importance="magnitude", at_once=4):
    return channels.choices(classifier, pictures(side), targets(), loss, importance, at_once)


def silenced(classifier, gone, side):
    """The logits' part of the network in which nothing that makes these channels says anything."""
    quiet = channels.Logits(classifier)
    layers = dict(quiet.named_modules())
    connections = channels.connected(quiet, torch.zeros(2, 3, side, side))
    for choice in gone:
        prune = connections.get_pruner_of_module(layers[choice.layer]).prune_out_channels
        for member, places in connections.get_pruning_group(layers[choice.layer], prune, list(choice.places)):
            layer = member.target.module
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d) and not channels.reads(member):
                with torch.no_grad():
                    layer.weight[places] = 0
                    if layer.bias is not None:
                        layer.bias[places] = 0
    return quiet


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ENCODERS]
)
def test_channels_that_are_cut_could_as_well_have_been_silent(name):
    """What is left is wired as before: half of all that can go is taken out, by genotype and weights alone.

    The file says what the network says.
    """
    side = 128 if name.startswith("inception") else 64
    classifier, shape = network(name, side=side)
    plan = ranked(classifier, side)
    gone = plan[: len(plan) // 2]
    cut, slimmer = channels.without(classifier, shape, gone)
    quiet = silenced(classifier, gone, side)
    with torch.inference_mode():
        images = classifier.normalize(pictures(side, 4))
        before, after = quiet(images), channels.Logits(cut)(images)
        assert torch.allclose(before, after, atol=1e-4)
        assert not torch.allclose(channels.Logits(classifier)(images), after, atol=1e-3)
    assert values(cut) < 0.8 * values(classifier)
    again = shaped(slimmer, cut)
    again.load_state_dict(cut.state_dict())
    parity.check(again, to_onnx(again, side), parity.pictures(side))


def values(classifier):
    return sum(weight.numel() for weight in classifier.parameters())


def test_what_was_pruned_once_can_be_pruned_again():
    classifier, shape = network("resnet-8", width=1.0, side=32)
    once, half = channels.without(classifier, shape, ranked(classifier, 32)[:4])
    twice, quarter = channels.without(once, half, ranked(once, 32)[:4])
    assert values(twice) < values(once)
    assert replace(quarter, channels={}) == shape
    assert twice(pictures(32)).logits.isfinite().all()


@pytest.mark.parametrize("importance", channels.IMPORTANCES)
def test_a_channel_that_says_nothing_goes_first(importance):
    """By every importance: it has no weight, no gradient and no spread."""
    classifier, _ = network("resnet-8", width=1.0, side=32)
    group = classifier.encoder.stage2[0].body.layer1
    with torch.no_grad():
        group.conv.weight[5:9] = 0
        group.norm.weight[5:9] = 0
        group.norm.bias[5:9] = 0
        classifier.encoder.stage2[0].body.layer2.conv.weight[:, 5:9] = 0
    choice = ranked(classifier, 32, importance)[0]
    assert choice.layer == "encoder.stage2.0.body.layer1.conv"
    assert sorted(choice.places) == [5, 6, 7, 8]


def test_channels_go_by_eights_and_eight_stay():
    classifier, _ = network("resnet-8", width=1.0, side=32)
    plan = ranked(classifier, 32, at_once=8)
    assert {len(choice.places) for choice in plan} == {8}
    gone = sum(len(choice.places) for choice in plan if choice.layer == "encoder.stage3.0.body.layer1.conv")
    assert gone == classifier.encoder.stage3[0].body.layer1.conv.out_channels - 8


def test_a_network_without_norms_cannot_be_ranked_by_them():
    classifier, _ = network("squeezenet-1.1")
    with pytest.raises(BadRequest, match="no batch norms"):
        ranked(classifier, 64, "norm")


def test_settling_norms_changes_no_answer_and_shows_how_large_a_channel_is():
    classifier, _ = network("resnet-8", side=32)
    norm = classifier.encoder.stem.norm
    with torch.no_grad():  # as if folded: statistics of nothing, the gain elsewhere
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        before = classifier(pictures(32)).logits
        settle(classifier, pictures(32))
        assert torch.allclose(classifier(pictures(32)).logits, before, atol=1e-4)
        spread = classifier.encoder.stem[:2](classifier.normalize(pictures(32))).std((0, 2, 3), correction=0)
    assert torch.allclose(norm.weight.abs(), spread, rtol=0.01)


def test_recalibrated_norms_give_channels_the_spread_that_they_had():
    classifier, shape = network("resnet-8", width=1.0, side=32)
    settle(classifier, pictures(32))
    cut, _ = channels.without(classifier, shape, ranked(classifier, 32)[:6])
    recalibrate(cut, pictures(32))
    norm = cut.encoder.stage3[0].body.layer2.norm
    told = {}
    hook = norm.register_forward_hook(lambda layer, given, output: told.update(spread=output.std((0, 2, 3))))
    with torch.no_grad():
        cut(pictures(32))
    hook.remove()
    assert torch.allclose(told["spread"], norm.weight.abs(), rtol=0.05)


def test_a_block_can_go_where_what_leaves_it_looks_like_what_enters():
    classifier, _ = network("mobilenet-v2", side=32)
    found = blocks.costs(classifier, pictures(32, 1))
    for name in found:
        block = classifier.encoder.get_submodule(name)
        assert block.adds or name in ("stage1.0", "stage2.0", "stage3.0")  # width made their sides equal


def test_a_block_that_was_taken_out_is_gone_from_the_file():
    torch.manual_seed(0)
    shape = Slim(encoder="mobilenet-v2", width=0.25, depth=0.5, size=32)
    encoder = slim.build(shape)
    classifier = Classifier(encoder, head_of(shape, "logistic", encoder, LABELS), "single", (127.0,), (60.0,)).eval()
    recalibrate(classifier, pictures(32))
    told = []
    plan = blocks.choices(classifier, pictures(32), lambda done, total: told.append((done, total)))
    assert told[-1] == (len(plan), len(plan))
    cut, slimmer = blocks.without(classifier, shape, plan[:2])
    assert slimmer.without == tuple(block.name for block in plan[:2])
    with torch.inference_mode(), blocks.skipped(classifier, plan[0].name), blocks.skipped(classifier, plan[1].name):
        assert torch.equal(classifier(pictures(32)).logits, cut(pictures(32)).logits)
    again = shaped(slimmer, cut)
    again.load_state_dict(cut.state_dict())
    graph = to_onnx(again, 32)
    parity.check(again, graph, parity.pictures(32))
    for block in plan[:2]:
        assert not any(node.name.startswith(f"encoder.{block.name}.") for node in graph.graph.node)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_answers_that_did_not_move_diverge_by_nothing(task):
    logits = torch.randn(6, LABELS)
    assert abs(blocks.divergence(logits, logits, task)) < 1e-6
    assert blocks.divergence(logits, logits + torch.randn(6, LABELS), task) > 0.01
