"""Collapse is found where it is, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from kunstkammer.evaluation.collapse import find_collapse

from .conftest import COUNTS, EMOTIONS, PUBLISHED, calibrated, softmax

PRIOR = COUNTS / COUNTS.sum()


def jittered(centre: np.ndarray, n: int, size: float, seed: int = 0) -> np.ndarray:
    p = np.abs(centre + np.random.default_rng(seed).normal(size=(n, len(centre))) * size)
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [10, 40, 5000])
@pytest.mark.parametrize("known", [True, False])
def test_the_published_failure_is_found(n, seed, known):
    targets = np.random.default_rng(seed + 100).choice(8, n, p=PRIOR) if known else None
    found = find_collapse(jittered(PUBLISHED, n, 0.005, seed), PRIOR, EMOTIONS, targets=targets)
    assert found.collapsed
    assert found.most_frequent == "anger"
    assert found.share >= 0.8
    assert found.movement == pytest.approx(0.016, abs=0.004)


def test_its_sentence_says_how_much_the_predictions_move(collapsed):
    found = find_collapse(collapsed.probabilities, PRIOR, EMOTIONS, targets=collapsed.targets)
    assert found.sentence.startswith("The model has collapsed")
    assert f"{found.movement:.3f}" in found.sentence
    assert "'anger'" in found.sentence


def test_a_network_that_is_sure_of_the_same_answer_for_all_classes_is_found():
    p = jittered(np.array([0.97, 0.02, 0.01]), 100, 0.001)
    assert find_collapse(p, np.full(3, 1 / 3), targets=np.arange(100) % 3).collapsed


def test_two_classes_that_stand_still_are_found():
    targets = np.random.default_rng(0).integers(0, 2, 200)
    assert find_collapse(jittered(np.array([0.52, 0.48]), 200, 0.004), np.array([0.5, 0.5]), targets=targets).collapsed


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("strength", [0.5, 0.8, 2.0, 4.0])
@pytest.mark.parametrize("prior", [np.array([0.5, 0.5]), np.array([0.9, 0.1]), PRIOR], ids=["two", "uneven", "eight"])
def test_a_calibrated_model_is_not_however_weak_or_good(prior, strength, seed):
    targets, p = calibrated(300, prior, strength, seed)
    assert not find_collapse(p, prior, targets=targets).collapsed
    assert not find_collapse(p, prior).collapsed


def test_the_weakest_of_those_is_hardly_better_than_guessing():
    targets, p = calibrated(20_000, np.array([0.5, 0.5]), 0.5)
    assert (p.argmax(axis=1) == targets).mean() < 0.65


@pytest.mark.parametrize("prior", [np.array([0.5, 0.5]), np.array([0.8, 0.2]), np.full(8, 1 / 8)], ids=str)
@pytest.mark.parametrize("known", [True, False])
def test_an_almost_perfect_model_on_one_class_only_is_not(prior, known):
    p = jittered(np.eye(len(prior))[0] * 0.98 + 0.02 / len(prior), 100, 0.002)
    assert not find_collapse(p, prior, targets=np.zeros(100, dtype=int) if known else None).collapsed


def test_a_collapsed_model_on_one_class_only_is_found():
    assert find_collapse(jittered(PUBLISHED, 100, 0.005), PRIOR, targets=np.full(100, 4)).collapsed


def test_still_predictions_that_rank_rightly_are_named_with_what_may_mend_them():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 200)
    logits = 0.03 * (np.eye(4)[targets] + 0.3 * rng.normal(size=(200, 4)))
    unsure = find_collapse(softmax(logits), np.full(4, 1 / 4), targets=targets)
    assert unsure.movement < 0.05 * unsure.reach
    assert not unsure.collapsed, "its answers differ, and rightly"
    logits[:, 2] += 0.2
    found = find_collapse(softmax(logits), np.full(4, 1 / 4), targets=targets)
    assert found.share == 1.0
    assert found.collapsed
    assert "ranks the pictures rightly" in found.sentence
    unranked = find_collapse(softmax(logits), np.full(4, 1 / 4), targets=rng.permutation(targets))
    assert unranked.collapsed
    assert "ranks" not in unranked.sentence


def test_few_pictures_are_not_judged():
    found = find_collapse(jittered(PUBLISHED, 9, 0.005), PRIOR)
    assert not found.collapsed
    assert "Too few" in found.sentence


def test_many_labels(many):
    prior = many.targets.mean(axis=0)
    healthy = find_collapse(many.probabilities, prior, targets=many.targets, multi_label=True)
    assert not healthy.collapsed
    still = prior + np.random.default_rng(0).normal(size=(120, 5)) * 0.004
    found = find_collapse(still, prior, targets=many.targets, multi_label=True)
    assert found.collapsed
    assert found.predicted_classes == 0
    assert "no label is predicted" in found.sentence


def test_movement_is_the_mean_total_variation_distance():
    p = np.array([[0.8, 0.2], [0.4, 0.6]])
    found = find_collapse(p, np.array([0.5, 0.5]))
    assert found.movement == pytest.approx(0.2)  # from the mean (0.6, 0.4): 0.2 each
    assert found.drift == pytest.approx((0.3 + 0.1) / 2)
    assert found.reach == pytest.approx(0.5)
