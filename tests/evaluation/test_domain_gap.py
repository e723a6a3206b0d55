"""Two sets side by side: known gaps lie in their intervals, pairs are used where there are any."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kunstkammer.errors import DataError
from kunstkammer.evaluation.domain_gap import compare, label_shift
from kunstkammer.evaluation.evaluate import evaluate_predictions
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.intervals import Interval, difference_of

from .conftest import EMOTIONS, calibrated, make

EVEN = np.full(8, 1 / 8)


def answers(targets: np.ndarray, right: np.ndarray, width: int, prefix: str = "") -> Predictions:
    """Predictions that are right where `right` says so and else name the next class."""
    said = np.where(right, targets, (targets + 1) % width)
    p = np.full((len(targets), width), 0.2 / (width - 1))
    p[np.arange(len(targets)), said] = 0.8
    files = [f"{prefix}{i:04d}.png" for i in range(len(targets))]
    return Predictions(files, tuple(f"class {k}" for k in range(width)), p, targets)


def guesser(n: int, accuracy: float, seed: int, prefix: str = "", width: int = 3) -> Predictions:
    rng = np.random.default_rng(seed)
    return answers(rng.integers(0, width, n), rng.random(n) < accuracy, width, prefix)


def test_the_interval_covers_a_known_gap_about_as_often_as_it_says():
    hits = {"accuracy": 0, "balanced_accuracy": 0, "macro_f1": 0, "adjusted": 0}
    trials = 120
    for seed in range(trials):
        found = compare(
            guesser(150, 0.85, 2 * seed, "a"), guesser(120, 0.6, 2 * seed + 1, "b"), resamples=200, seed=seed
        )
        hits["adjusted"] += found.adjusted.low <= -0.25 <= found.adjusted.high
        for name in ("accuracy", "balanced_accuracy", "macro_f1"):
            gap = found.metrics[name].gap
            hits[name] += gap.low <= -0.25 <= gap.high
    assert all(count >= 0.89 * trials for count in hits.values()), hits


def test_the_published_example_of_newcombe():
    # Newcombe 1998, table II, example (a): 56/70 - 48/80 = 0.2, method 10: 0.0524 to 0.3339
    one, other = (Interval(x / n, *_wilson(x, n)) for x, n in ((48, 80), (56, 70)))
    found = difference_of(one, other)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def _wilson(x: int, n: int) -> tuple[float, float]:
    from kunstkammer.metrics.intervals import wilson

    return wilson(x / n, n)


def test_metrics_stand_side_by_side_as_each_set_has_them():
    a, b = (make(*calibrated(200, EVEN, s, i), EMOTIONS) for i, s in enumerate((2.5, 1.2)))
    b.files = [f"other/{file}" for file in b.files]
    found = compare(a, b, prior=EVEN, name_a="photographs", name_b="drawings")
    alone = evaluate_predictions(b, prior=EVEN)
    assert found.metrics["macro_f1"].b == alone.metrics["macro_f1"]
    assert found.metrics["accuracy"].zero_r_b == alone.zero_r["accuracy"]
    for m in found.metrics.values():
        assert m.gap.value == pytest.approx(m.b.value - m.a.value)
        assert m.gap.low <= m.gap.value <= m.gap.high
    assert found.headline.clear
    assert found.metrics["log_loss"].gap.value > 0
    assert found.a.calibration is not None
    assert found.b.calibration is not None
    assert found.pairs == 0
    assert [row.label for row in found.classes] == list(EMOTIONS)
    known = compare(a, b, judged=(found.a, found.b), prior=EVEN, name_a="photographs", name_b="drawings")
    assert known.to_json() == found.to_json()
    said = json.loads(json.dumps(found.to_json()))
    assert said["a"] == "photographs"
    assert said["metrics"]["accuracy"]["gap"]["high"] < 0


class TestPairs:
    def both(self, shared: float = 0.9):
        """The same pictures twice; mostly the same ones are hard."""
        rng = np.random.default_rng(0)
        targets = rng.integers(0, 3, 200)
        hard = rng.random(200)
        again = np.where(rng.random(200) < shared, hard, rng.random(200))
        return answers(targets, hard > 0.3, 3), answers(targets, again > 0.4, 3)

    def test_pairs_are_seen_by_name_and_make_the_interval_narrower(self):
        a, b = self.both()
        b.files = [file.replace(".png", ".jpg") for file in b.files]
        paired, apart = compare(a, b), compare(a, b, paired=False)
        assert (paired.pairs, apart.pairs) == (200, 0)
        widths = [g.metrics["accuracy"].gap.high - g.metrics["accuracy"].gap.low for g in (paired, apart)]
        assert widths[0] < 0.7 * widths[1]
        assert paired.metrics["accuracy"].gap.value == apart.metrics["accuracy"].gap.value

    def test_the_paired_interval_is_that_of_the_differences(self):
        a, b = self.both()
        found = compare(a, b, resamples=4000).metrics["accuracy"].gap
        d = (b.probabilities.argmax(1) == b.targets).astype(float) - (a.probabilities.argmax(1) == a.targets)
        half = 1.96 * d.std() / np.sqrt(len(d))
        assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half), abs=0.015)

    def test_the_same_predictions_twice_differ_by_nothing_but_not_for_certain(self):
        a, _ = self.both()
        gap = compare(a, a).metrics["accuracy"].gap
        assert gap.value == 0
        assert -0.02 < gap.low < 0 < gap.high < 0.02

    def test_equal_names_with_other_labels_are_no_pairs(self):
        a, b = self.both()
        b.targets = (b.targets + 1) % 3
        assert compare(a, b).pairs == 0

    def test_few_shared_names_are_no_pairs_unless_asked(self):
        a, b = self.both()
        b.files = [file if i < 100 else f"b{file}" for i, file in enumerate(b.files)]
        assert compare(a, b).pairs == 0
        assert compare(a, b, paired=True).pairs == 100

    def test_groups_that_both_sets_have_are_drawn_together(self):
        a, b = self.both()
        groups = [f"title {i // 20}" for i in range(200)]
        found = compare(a, b, groups_a=groups, groups_b=groups)
        assert found.pairs == 200
        assert found.a.groups == 10


class TestLabels:
    def test_other_shares_are_named_and_the_adjusted_gap_leaves_them_out(self):
        rng = np.random.default_rng(0)

        def easy_and_hard(shares, n, prefix):
            targets = rng.choice(2, n, p=shares)
            return answers(targets, rng.random(n) < np.array([0.95, 0.5])[targets], 2, prefix)

        found = compare(easy_and_hard([0.9, 0.1], 1500, "a"), easy_and_hard([0.2, 0.8], 1500, "b"))
        assert found.metrics["accuracy"].gap.high < -0.2
        assert abs(found.adjusted.value) < 0.05
        assert found.adjusted.low < 0 < found.adjusted.high
        assert found.labels.shifted
        assert found.labels.distance == pytest.approx(0.7, abs=0.05)

    def test_equal_shares_are_not_called_shifted_more_often_than_chance(self):
        rng = np.random.default_rng(0)
        shifted = 0
        for seed in range(100):
            a, b = (np.eye(4, dtype=bool)[rng.integers(0, 4, n)] for n in (80, 50))
            shifted += label_shift(a, b, seed=seed).shifted
        assert shifted <= 12

    def test_labels_that_one_set_lacks_are_named(self):
        a, b = guesser(60, 0.8, 0, "a"), guesser(60, 0.8, 1, "b")
        keep = b.targets != 2
        found = compare(a, b.select(np.flatnonzero(keep)))
        assert found.only_a == ("class 2",)
        assert found.only_b == ()
        assert found.classes[2].recall_gap is None
        assert found.adjusted is not None

    def test_a_confusion_of_one_set_alone_is_named(self):
        rng = np.random.default_rng(0)
        a, b = guesser(300, 0.95, 0, "a"), guesser(300, 0.95, 1, "b")
        rows = np.flatnonzero((b.targets == 0) & (rng.random(300) < 0.5))
        b.probabilities[rows] = [0.1, 0.1, 0.8]
        first = compare(a, b).confusions[0]
        assert (first.truth, first.predicted) == ("class 0", "class 2")
        assert first.share_b > 0.4 > first.share_a
        assert compare(a, guesser(300, 0.95, 5, "c")).confusions == []


def test_many_labels(many):
    weaker = Predictions(
        [f"b{f}" for f in many.files], many.label_names, 0.6 * many.probabilities, many.targets, multi_label=True
    )
    found = compare(many, weaker)
    assert found.headline.name == "samples_f1"
    assert found.headline.gap.high < 0
    assert found.adjusted is None
    assert found.confusions == []
    assert not found.labels.shifted
    assert found.classes[0].recall_gap.value < 0


def test_bad_input():
    a = guesser(30, 0.8, 0)
    with pytest.raises(DataError, match="same labels"):
        compare(a, guesser(30, 0.8, 1, width=4))
    unknown = Predictions(a.files, a.label_names, a.probabilities, None)
    with pytest.raises(DataError, match="No picture of drawings"):
        compare(a, unknown, name_b="drawings")
