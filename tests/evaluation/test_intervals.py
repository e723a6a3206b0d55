"""Intervals cover what they promise, respect groups, and are honest where a bootstrap alone would not be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from kunstkammer.errors import DataError
from kunstkammer.evaluation.evaluate import evaluate_predictions, zero_r_probabilities
from kunstkammer.evaluation.notes import Note
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics import intervals

from .conftest import calibrated, make

HALF = np.array([0.5, 0.5])


@given(right=st.integers(0, 50), n=st.integers(1, 50))
def test_wilson_agrees_with_scipy(right, n):
    right = min(right, n)
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert intervals.wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_all_right_is_not_certainty():
    result = evaluate_predictions(make(np.arange(20) % 2, np.eye(2)[np.arange(20) % 2]), prior=HALF)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "roc_auc", "mean_average_precision"):
        interval = result.metrics[name]
        assert interval.value == 1
        assert interval.low == pytest.approx(0.8389, abs=1e-4)
        assert interval.high == 1
        assert interval.method == "wilson"


def test_a_class_mean_rests_on_its_rarest_class():
    assert intervals.class_carriers(np.array([100, 100, 0]), 1000) == pytest.approx(200)
    assert intervals.class_carriers(np.array([196, 4]), 200) == pytest.approx(4 / (1 / 196 + 1 / 4))
    assert intervals.class_carriers(np.array([100, 100]), 30) == 30


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier_score", "roc_auc"])
def test_intervals_cover_the_truth_about_19_times_of_20(name):
    targets, p = calibrated(20_000, HALF, 1.0, seed=99)
    truth = evaluate_predictions(make(targets, p), prior=HALF, resamples=2).metrics[name].value
    hits = 0
    for seed in range(60):
        some = calibrated(150, HALF, 1.0, seed=seed)
        interval = evaluate_predictions(make(*some), prior=HALF, resamples=200, seed=seed).metrics[name]
        hits += interval.low <= truth <= interval.high
    assert 51 <= hits <= 60  # under 0.1 % of honest intervals fall below


def test_the_interval_of_the_calibration_error_takes_its_bias_off():
    """On few pictures a calibrated model seems miscalibrated; the interval must reach down towards the truth, 0."""
    lows = []
    for seed in range(20):
        interval = evaluate_predictions(make(*calibrated(100, HALF, 1.0, seed)), prior=HALF, resamples=200).metrics[
            "expected_calibration_error"
        ]
        assert interval.low <= interval.value <= interval.high
        lows.append(interval.low)
    assert np.median(lows) < 0.03


def test_copies_in_groups_do_not_make_an_interval_narrower():
    targets, p = calibrated(40, HALF, 1.0, seed=4)
    once = evaluate_predictions(make(targets, p), prior=HALF)
    copied = make(np.repeat(targets, 5), np.repeat(p, 5, axis=0))
    apart = evaluate_predictions(copied, prior=HALF)
    together = evaluate_predictions(copied, prior=HALF, groups=np.repeat(np.arange(40), 5))
    for name in once.metrics:
        width, as_strangers, as_groups = (
            result.metrics[name].high - result.metrics[name].low for result in (once, apart, together)
        )
        assert as_groups == pytest.approx(width, rel=0.03)
        assert as_strangers < 0.75 * width
    assert together.groups == 40


def test_a_share_in_groups_that_are_all_right_counts_the_groups():
    right, members = np.ones(50), np.repeat(np.arange(5), 10)
    assert intervals.effective_count(right, members) == 5
    assert intervals.share_interval(right.astype(bool), members).low == pytest.approx(intervals.wilson(1, 5)[0])


def test_pictures_without_a_group_are_on_their_own():
    assert intervals.group_numbers(["a", "", None, "a", float("nan"), ""], 6).tolist() == [0, 1, 2, 0, 3, 4]


def test_the_same_seed_gives_the_same_intervals(good):
    first, second = (evaluate_predictions(good, prior=HALF, resamples=50, seed=3) for _ in range(2))
    assert first.to_json() == second.to_json()
    third = evaluate_predictions(good, prior=HALF, resamples=50, seed=4)
    assert third.metrics["log_loss"] != first.metrics["log_loss"]


@pytest.mark.parametrize("groups", [None, [0, 0, 0, 1, 1, 2, 2, 2, 2, 3]])
def test_resamples_draw_whole_groups(groups):
    members = intervals.group_numbers(groups, 10)
    weights = np.concatenate(list(intervals.resample_weights(members, 500, seed=0)))
    assert weights.shape == (500, 10)
    for group in np.unique(members):
        assert (weights[:, members == group] == weights[:, members == group][:, :1]).all()
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.2)


class TestZeroR:
    def test_it_answers_with_the_training_shares_not_with_those_of_the_part(self):
        targets, p = calibrated(100, np.array([0.3, 0.7]), 1.0)
        result = evaluate_predictions(make(targets, p), prior=np.array([0.8, 0.2]), resamples=20)
        assert result.zero_r["accuracy"] == pytest.approx((targets == 0).mean())
        assert result.zero_r["log_loss"] == pytest.approx(-np.log(np.array([0.8, 0.2])[targets]).mean())
        assert result.zero_r["roc_auc"] == 0.5
        assert result.zero_r["balanced_accuracy"] == 0.5

    def test_every_metric_has_one_and_the_gain_is_the_difference(self, good, many):
        for predictions, prior in ((good, HALF), (many, np.full(5, 0.3))):
            result = evaluate_predictions(predictions, prior=prior, resamples=50)
            assert set(result.zero_r) == set(result.metrics) == set(result.gains)
            for name, gain in result.gains.items():
                assert gain.value == pytest.approx(result.metrics[name].value - result.zero_r[name])
                assert gain.low <= gain.value <= gain.high

    def test_zero_r_itself_gains_nothing(self):
        targets, _ = calibrated(100, np.array([0.3, 0.7]), 1.0)
        prior = np.array([0.3, 0.7])
        result = evaluate_predictions(make(targets, np.tile(prior, (100, 1))), prior=prior, resamples=50)
        assert all(gain.value == gain.low == gain.high == 0 for gain in result.gains.values())

    def test_with_many_rare_labels_it_answers_with_the_most_frequent(self):
        answer = zero_r_probabilities(np.array([0.1, 0.4]), 3, multi_label=True, decides=True)
        assert (answer > 0.5).tolist() == [[False, True]] * 3
        assert zero_r_probabilities(np.array([0.1, 0.4]), 1, multi_label=True, decides=False).tolist() == [[0.1, 0.4]]


class TestEvaluation:
    def test_the_keys_that_the_command_prints(self, good):
        result = evaluate_predictions(good, prior=np.array([0.4, 0.6]), resamples=20).to_json()
        assert result["n"] == 200
        assert set(result["metrics"]["accuracy"]) == {"value", "low", "high"}
        assert result["zero_r"]["accuracy"] < result["metrics"]["accuracy"]["low"]
        assert sum(map(sum, result["confusion"])) == 200
        assert result["collapse"]["collapsed"] is False

    def test_pictures_without_truth_are_left_out_and_counted(self, good):
        targets = good.targets.copy()
        targets[:30] = -1
        result = evaluate_predictions(
            Predictions(good.files, good.label_names, good.probabilities, targets), prior=HALF, resamples=20
        )
        assert result.n == 170
        assert Note("unlabelled", count=30) in result.notes

    def test_what_is_not_defined_is_left_out_and_named(self):
        result = evaluate_predictions(make(np.zeros(12, dtype=int), np.tile([0.9, 0.1], (12, 1))), prior=HALF)
        assert "roc_auc" not in result.metrics
        assert any(note.key == "undefined" and "roc_auc" in note.text for note in result.notes)
        assert Note("absent_classes", count=1, names="class 1") in result.notes
        assert all(np.isfinite([i.value, i.low, i.high]).all() for i in result.metrics.values())

    def test_one_answer_for_several_classes_is_named(self, collapsed):
        same = collapsed.probabilities * 0 + collapsed.probabilities[0]
        notes = evaluate_predictions(make(collapsed.targets, same, collapsed.label_names), resamples=20).notes
        assert Note("one_answer", label="anger") in notes
        assert Note("prior_from_part") in notes

    def test_class_rows_count(self, good):
        rows = evaluate_predictions(good, prior=HALF, resamples=20).classes
        said = good.probabilities.argmax(axis=1)
        for k, row in enumerate(rows):
            assert row.n == (good.targets == k).sum()
            assert row.recall == pytest.approx((said[good.targets == k] == k).mean())
            assert row.precision == pytest.approx((good.targets[said == k] == k).mean())

    def test_calibration_bins_hold_every_picture(self, good):
        bins = evaluate_predictions(good, prior=HALF, resamples=20).calibration
        assert sum(bins.count) == 200
        assert bins.confidence[0] is None  # two classes: nobody is less than half sure
        assert all(
            s is None or low < s <= high
            for s, low, high in zip(bins.confidence, bins.edges, bins.edges[1:], strict=False)
        )

    def test_many_labels(self, many):
        result = evaluate_predictions(many, prior=many.targets.mean(axis=0), resamples=50)
        assert result.headline == "samples_f1"
        assert result.calibration is None
        assert (np.diag(result.confusion) <= many.targets.sum(axis=0)).all()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"prior": np.array([0.5, 0.6])}, "add up to"),
            ({"prior": np.array([1.0])}, "2 shares"),
            ({"prior": HALF, "groups": ["a"]}, "1 groups for 200 pictures"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, good, change, words):
        with pytest.raises(DataError, match=words):
            evaluate_predictions(good, **change)

    def test_no_truth_at_all_is_refused(self, good):
        with pytest.raises(DataError, match="nothing can be measured"):
            evaluate_predictions(Predictions(good.files, good.label_names, good.probabilities), prior=HALF)

    def test_probabilities_that_are_not_numbers_are_refused(self, good):
        broken = good.probabilities.copy()
        broken[3] = np.nan
        with pytest.raises(DataError, match="not all finite"):
            evaluate_predictions(make(good.targets, broken), prior=HALF)
