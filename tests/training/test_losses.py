"""Losses against their formulas; what holds for all of them runs over the registry."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kunstkammer.registry import entries, get
from kunstkammer.training.losses import balanced_weights

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
