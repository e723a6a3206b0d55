"""Calibration: the temperature that is known to be right is found, thresholds help, little data changes little."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.metrics import f1_score

from kunstkammer.errors import ModelError
from kunstkammer.evaluation.calibration import (
    best_threshold,
    calibration_effect,
    fit_calibration,
    label_calibration_error,
)
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.classification import expected_calibration_error
from kunstkammer.metrics.decisions import to_probabilities
from kunstkammer.models.calibration import Calibration, logits_of_probabilities, thresholds_of


def overconfident(n, temperature, *, classes=4, seed=0):
    """Return logits whose softmax at `temperature` is exactly what the targets are drawn from."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, (n, classes))
    shares = to_probabilities(true, multi_label=False)
    targets = (shares.cumsum(axis=1) < random.random((n, 1))).sum(axis=1)
    return true * temperature, targets


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_the_truth_is_found(temperature):
    logits, targets = overconfident(20_000, temperature)
    found = fit_calibration(logits, targets)
    assert found.temperature == pytest.approx(temperature, rel=0.03)
    assert found.thresholds is None
    assert found.pictures == 20_000
    assert found.loss_after <= found.loss_before
    plain = -log_softmax(logits, axis=1)[np.arange(len(targets)), targets].mean()
    assert found.loss_before == pytest.approx(plain)


def test_it_lowers_the_calibration_error_and_changes_no_order():
    logits, targets = overconfident(3000, 3.0)
    found = fit_calibration(logits, targets)
    fresh, truth = overconfident(2000, 3.0, seed=1)
    before = to_probabilities(fresh, multi_label=False)
    after = to_probabilities(fresh / found.temperature, multi_label=False)
    np.testing.assert_array_equal(before.argsort(1), after.argsort(1))
    predictions = Predictions([str(i) for i in range(2000)], tuple("abcd"), after, truth)
    effect = calibration_effect(predictions, found, resamples=200)
    assert effect.before.value == pytest.approx(expected_calibration_error(truth, before))
    assert effect.before.value > 0.1
    assert effect.after.value < 0.05
    assert effect.gain.low > 0
    assert effect.after.low <= effect.after.value <= effect.after.high
    np.testing.assert_allclose(found.undo(after), before, atol=1e-9)


def test_a_perfect_validation_part_makes_nobody_infinitely_sure():
    targets = np.arange(30) % 2
    logits = np.where(targets[:, None] == np.arange(2), 3.0, -3.0)
    found = fit_calibration(logits, targets)
    sure = to_probabilities(logits / found.temperature, multi_label=False).max()
    assert sure == pytest.approx(31 / 32, abs=1e-3)


def test_too_few_pictures_have_none_and_unlabelled_ones_do_not_count():
    logits, targets = overconfident(30, 1.0)
    assert fit_calibration(logits[:19], targets[:19]) is None
    targets[:11] = -1
    assert fit_calibration(logits, targets) is None


def test_many_labels_get_one_temperature_and_thresholds_of_their_own():
    random = np.random.default_rng(0)
    true = random.normal(-1.5, 1.5, (4000, 3))
    targets = (random.random((4000, 3)) < expit(true)).astype(np.float32)
    targets[:, 2] = 0
    targets[:5, 2] = 1
    found = fit_calibration(true * 2, targets)
    assert found.temperature == pytest.approx(2, rel=0.1)
    assert found.thresholds[2] == 0.5
    for k in (0, 1):
        probabilities = expit(true * 2 / found.temperature)[:, k]
        assert found.thresholds[k] < 0.5
        best = max(f1_score(targets[:, k], probabilities > t) for t in np.linspace(0.02, 0.98, 97))
        assert f1_score(targets[:, k], probabilities > found.thresholds[k]) >= best - 1e-9
    table = expit(true * 2 / found.temperature)
    effect = calibration_effect(
        Predictions([str(i) for i in range(4000)], tuple("abc"), table, targets, multi_label=True), found, resamples=50
    )
    assert effect.after.value < effect.before.value


def test_thresholds_between_equal_probabilities_are_not_taken():
    truth = np.array([1] * 12 + [0] * 12)
    assert best_threshold(truth, np.full(24, 0.3)) == 0.5
    assert best_threshold(truth, np.where(truth == 1, 0.4, 0.1)) == pytest.approx(0.25)
    assert best_threshold(truth, np.where(truth == 1, 0.9, 0.1)) == 0.5


def test_the_error_of_many_labels_is_that_of_each_answer():
    targets = np.array([[1, 0], [0, 0]])
    probabilities = np.array([[0.9, 0.1], [0.1, 0.1]])
    assert label_calibration_error(targets, probabilities, np.ones((1, 2)))[0] == pytest.approx(0.1)


def test_probabilities_and_logits_there_and_back():
    random = np.random.default_rng(0)
    logits = random.normal(0, 8, (50, 3))
    for many in (False, True):
        table = to_probabilities(logits, multi_label=many)
        again = to_probabilities(logits_of_probabilities(table, many=many), multi_label=many)
        np.testing.assert_allclose(again, table)
    extreme = to_probabilities(np.array([[900.0, -900.0]]), multi_label=True)
    assert np.isfinite(logits_of_probabilities(extreme, many=True)).all()


def test_it_stands_in_the_config_and_a_damaged_one_is_refused():
    found = Calibration(1.5, 40, 0.7, 0.6, (0.3, 0.5))
    config = json.loads(json.dumps(found.to_config()))
    assert Calibration.of_config(config, 2) == found
    assert thresholds_of(config, 2).tolist() == [0.3, 0.5]
    assert Calibration.of_config({}, 2) is None
    assert thresholds_of({}, 2) is None
    with pytest.raises(ModelError, match="each of the 3 labels"):
        thresholds_of(config, 3)
    for wrong in ([0.3, 1.5], ["x", 0.5], {"a": 0.5}, [float("nan"), 0.5]):
        with pytest.raises(ModelError, match="label_thresholds"):
            thresholds_of({"label_thresholds": wrong}, 2)
    for change in ({"temperature": -1}, {"temperature": "x"}, {"more": 1}):
        facts = config["kunstkammer_calibration"] | change
        with pytest.raises(ModelError, match="damaged"):
            Calibration.of_config({**config, "kunstkammer_calibration": facts}, 2)
