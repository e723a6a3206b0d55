"""The metrics against scikit-learn, and against sums done by hand where scikit-learn has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from kunstkammer.metrics import classification as ours
from kunstkammer.registry import entries

NAMES = [entry.name for entry in entries("metrics")]
METRICS = {entry.name: entry.thing for entry in entries("metrics")}


def one_label(seed: int, n: int = 60, classes: int = 4, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), targets] += 1
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    if ties:  # coarse probabilities: many pictures share one, as with a small model or a rounded table
        p = np.round(p * 20) + 0.5
        p /= p.sum(axis=1, keepdims=True)
    return targets, p


def many_labels(seed: int, n: int = 50, labels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, labels)) < 0.3).astype(np.float32)
    return targets, np.round(1 / (1 + np.exp(-(rng.normal(size=(n, labels)) + 2 * targets - 1))), 1)


def reference_map(targets: np.ndarray, p: np.ndarray) -> float:
    truth = ours.one_hot(targets, p.shape[1])
    return float(
        np.mean([reference.average_precision_score(t, s) for t, s in zip(truth.T, p.T, strict=True) if t.any()])
    )


SINGLE = {
    "accuracy": lambda t, p: reference.accuracy_score(t, p.argmax(1)),
    "balanced_accuracy": lambda t, p: reference.balanced_accuracy_score(t, p.argmax(1)),
    "macro_f1": lambda t, p: reference.f1_score(t, p.argmax(1), average="macro"),
    "micro_f1": lambda t, p: reference.f1_score(t, p.argmax(1), average="micro"),
    "log_loss": lambda t, p: reference.log_loss(t, p, labels=range(p.shape[1])),
    "brier_score": lambda t, p: reference.brier_score_loss(t, p, labels=list(range(p.shape[1]))),
    "roc_auc": lambda t, p: reference.roc_auc_score(t, p if p.shape[1] > 2 else p[:, 1], multi_class="ovr"),
    "mean_average_precision": reference_map,
}
MANY = {
    "subset_accuracy": lambda t, p: reference.accuracy_score(t, p > 0.5),
    "samples_f1": lambda t, p: reference.f1_score(t, p > 0.5, average="samples", zero_division=1),
    "macro_f1": lambda t, p: reference.f1_score(t, p > 0.5, average="macro", zero_division=np.nan),
    "macro_f1_all": lambda t, p: reference.f1_score(t, p > 0.5, average="macro", zero_division=0),
    "micro_f1": lambda t, p: reference.f1_score(t, p > 0.5, average="micro"),
    "mean_average_precision": reference_map,
    "roc_auc": lambda t, p: reference.roc_auc_score(t, p, average="macro"),
    "log_loss": lambda t, p: np.mean([reference.log_loss(t[:, k], p[:, k], labels=[0, 1]) for k in range(t.shape[1])]),
    "label_ranking_average_precision": reference.label_ranking_average_precision_score,
}


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", SINGLE)
def test_one_label_a_picture_agrees_with_scikit_learn(name, classes):
    for seed in range(5):
        targets, p = one_label(seed, classes=classes)
        assert METRICS[name].function(targets, p) == pytest.approx(SINGLE[name](targets, p), abs=1e-12)


@pytest.mark.parametrize("name", MANY)
def test_many_labels_agree_with_scikit_learn(name):
    for seed in range(5):
        targets, p = many_labels(seed)
        assert METRICS[name].function(targets, p) == pytest.approx(MANY[name](targets, p), abs=1e-7)


def test_every_metric_has_a_reference():
    single = {name for name, m in METRICS.items() if m.single}
    assert single - set(SINGLE) == {"expected_calibration_error"}  # by hand below
    assert {name for name, m in METRICS.items() if m.multi} == set(MANY)


def test_calibration_error_by_hand():
    # confidence 0.9, 0.9, 0.6, 0.6, 0.6 in the bins (13/15, 14/15] and (8/15, 9/15]; right: 1 of 2 and 3 of 3
    targets = np.array([0, 1, 0, 0, 0])
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
    by_hand = 2 / 5 * abs(1 / 2 - 0.9) + 3 / 5 * abs(3 / 3 - 0.6)
    assert ours.expected_calibration_error(targets, p) == pytest.approx(by_hand)


def test_calibration_bins_are_open_below_and_closed_above():
    assert ours.calibration_bin(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0])).tolist() == [0, 0, 1, 14]


def test_brier_score_by_hand():
    assert ours.brier_score(np.array([0]), np.array([[0.7, 0.2, 0.1]])) == pytest.approx(0.09 + 0.04 + 0.01)
    assert ours.brier_score(np.array([1]), np.array([[0.7, 0.3]])) == pytest.approx(0.49)


@pytest.mark.parametrize(("name", "make"), [(n, one_label) for n in SINGLE] + [(n, many_labels) for n in MANY])
def test_weights_mean_repeated_pictures(name, make):
    metric = METRICS[name]
    targets, p = make(3)
    weights = np.random.default_rng(1).integers(0, 4, size=(8, len(targets))).astype(float)
    repeated = [
        metric.function(np.repeat(targets, w.astype(int), axis=0), np.repeat(p, w.astype(int), axis=0)) for w in weights
    ]
    np.testing.assert_allclose(metric.function(targets, p, weights), repeated, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), width=st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_every_metric_stays_in_its_range_and_ignores_the_order_of_pictures(name, seed, n, width):
    metric = METRICS[name]
    cases = [one_label(seed, n, width)] if metric.single else []
    cases += [many_labels(seed, n, width)] if metric.multi else []
    for targets, p in cases:
        value = metric.function(targets, p)
        assert np.isnan(value) or metric.low <= value <= metric.high + 1e-12
        order = np.random.default_rng(seed).permutation(n)
        np.testing.assert_allclose(metric.function(targets[order], p[order]), value, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_model_has_the_best_value(name):
    metric = METRICS[name]
    if metric.single:
        targets, _ = one_label(0)
        assert metric.function(targets, np.eye(4)[targets]) == pytest.approx(float(metric.higher_is_better), abs=1e-9)
    if metric.multi:
        targets, _ = many_labels(0)
        assert metric.function(targets, targets) == pytest.approx(float(metric.higher_is_better), abs=1e-9)


def test_classes_without_a_picture():
    targets, p = one_label(2, classes=4)
    kept = targets != 3
    targets, p = targets[kept], p[kept]
    assert ours.balanced_accuracy(targets, p) == pytest.approx(
        np.mean([(p[targets == k].argmax(1) == k).mean() for k in range(3)])
    )
    truth = ours.one_hot(targets, 4)
    assert ours.roc_auc(targets, p) == pytest.approx(
        np.mean([reference.roc_auc_score(truth[:, k], p[:, k]) for k in range(3)])
    )
    assert ours.mean_average_precision(targets, p) == pytest.approx(reference_map(targets, p))


def test_ranking_is_undefined_with_one_class_only():
    assert np.isnan(ours.roc_auc(np.zeros(5, dtype=int), np.full((5, 2), 0.5)))


def test_many_labels_that_never_occur():
    targets, p = many_labels(1)
    targets, p = np.pad(targets, ((0, 0), (0, 1))), np.pad(p, ((0, 0), (0, 1)))
    assert ours.macro_f1(targets, p) == pytest.approx(ours.macro_f1_all(targets, p) * 7 / 6)


def test_docstrings_name_a_range():
    for entry in entries("metrics"):
        text = entry.thing.function.__doc__
        assert "from 0" in text or "above 0" in text, entry.name
