"""Losses against their formulas; what holds for all of them runs over the registry."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kunstkammer.registry import entries, get
from kunstkammer.training.losses import MOST_OF_A_POSITIVE, balanced_weights, effective_weights

LOSSES = [entry.name for entry in entries("losses")]


@pytest.fixture
def logits():
    return torch.randn(16, 5, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def targets():
    return torch.randint(0, 5, (16,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_a_finite_scalar_that_falls_as_the_answer_gets_better(name, logits, targets):
    loss = get("losses", name)
    better = logits + 5 * F.one_hot(targets, 5)
    value = loss(logits, targets)
    assert value.shape == ()
    assert torch.isfinite(value)
    assert loss(better, targets) < value


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_several_labels_a_picture_and_class_weights(name, logits):
    loss = get("losses", name)
    hot = (torch.rand(16, 5, generator=torch.Generator().manual_seed(2)) > 0.6).float()
    hot[:, 0] = 1
    assert torch.isfinite(loss(logits, hot, torch.ones(5)))


@pytest.mark.parametrize("name", LOSSES)
def test_equal_class_weights_change_nothing(name, logits, targets):
    loss = get("losses", name)
    torch.testing.assert_close(loss(logits, targets, torch.ones(5)), loss(logits, targets))


def test_focal_with_gamma_0_is_cross_entropy(logits, targets):
    focal, entropy = get("losses", "focal"), get("losses", "cross-entropy")
    torch.testing.assert_close(focal(logits, targets, gamma=0.0), entropy(logits, targets))
    weights = torch.tensor([1.0, 2, 3, 4, 5])
    torch.testing.assert_close(focal(logits, targets, weights, gamma=0.0), entropy(logits, targets, weights))


def test_focal_by_hand():
    p = torch.softmax(torch.tensor([[1.0, 0.0]]), 1)[0, 0]
    expected = -((1 - p) ** 2) * p.log()
    torch.testing.assert_close(get("losses", "focal")(torch.tensor([[1.0, 0.0]]), torch.tensor([0])), expected)


def test_bce_is_over_one_hot_targets(logits, targets):
    expected = F.binary_cross_entropy_with_logits(logits, F.one_hot(targets, 5).float())
    torch.testing.assert_close(get("losses", "bce")(logits, targets), expected)


def test_balanced_weights_give_every_class_the_same_say():
    targets = np.array([0] * 90 + [1] * 9 + [2])
    weights = balanced_weights(targets, 4)
    totals = [float(weights[k]) * int((targets == k).sum()) for k in range(3)]
    assert totals == pytest.approx([totals[0]] * 3)
    assert weights[3] == 0


MANY = ["bce", "focal"]


def hot_targets():
    hot = torch.zeros(40, 3)
    hot[:4, 0] = 1
    hot[:30, 1] = 1
    return hot


@pytest.mark.parametrize("name", MANY)
def test_weights_of_many_labels_are_those_of_their_positives(name):
    loss, hot = get("losses", name), hot_targets()
    logits = torch.zeros(40, 3, requires_grad=True)
    loss(logits, hot, balanced_weights(hot.numpy(), 3)).backward()
    for k in (0, 1):  # balanced: at 0.5 the positives pull as strongly as the negatives
        assert logits.grad[:, k].sum().abs() < 1e-7
    logits.grad = None
    loss(logits, hot).backward()
    assert logits.grad[:, 0].sum() > 0.01


def test_bce_weights_its_positives_alone():
    hot, logits, weights = hot_targets(), torch.randn(40, 3), torch.tensor([9.0, 1 / 3, 1.0])
    expected = F.binary_cross_entropy_with_logits(logits, hot, pos_weight=weights)
    torch.testing.assert_close(get("losses", "bce")(logits, hot, weights), expected)


def test_bce_of_one_label_a_picture_weighs_the_picture_by_its_class(logits, targets):
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    each = F.binary_cross_entropy_with_logits(logits, F.one_hot(targets, 5).float(), reduction="none").mean(dim=1)
    torch.testing.assert_close(get("losses", "bce")(logits, targets, weights), (each * weights[targets]).mean())


def test_weights_of_positives_are_ratios_within_bounds():
    hot = hot_targets().numpy()
    assert balanced_weights(hot, 3).tolist() == pytest.approx([9.0, 1 / 3, 1.0])
    beta = 0.999
    expected = [(1 - beta**n) / (1 - beta**p) for n, p in ((36, 4), (10, 30))]
    assert effective_weights(hot, 3).tolist() == pytest.approx([*expected, 1.0], rel=1e-5)
    rare = np.zeros((5000, 2))
    rare[0, 0] = 1
    rare[:, 1] = 1
    for found in (balanced_weights(rare, 2), effective_weights(rare, 2)):
        assert found.tolist() == [MOST_OF_A_POSITIVE, 1.0]
