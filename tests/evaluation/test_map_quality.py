"""Judging methods of explanation: a method that is better is called so, one that is not is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kunstkammer.evaluation.map_quality import (
    Estimate,
    Raw,
    check_claims,
    estimate,
    judge,
    judge_below,
    summarise_signal,
)


def curves(fall: float, seed: int, pictures: int = 40) -> np.ndarray:
    """Probabilities (N, 11) that fall by `fall` on the way, with noise a picture."""
    random = np.random.default_rng(seed)
    steps = np.linspace(0, 1, 11)
    return np.clip(0.9 - fall * steps + random.normal(0, 0.03, (pictures, 1)), 0, 1)


def test_an_estimate_is_students():
    values = np.random.default_rng(0).normal(3.0, 2.0, 12)
    found = estimate(values)
    low, high = stats.t.interval(0.95, 11, values.mean(), values.std(ddof=1) / np.sqrt(12))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert found.n == 12
    assert estimate([0.5]) == Estimate(0.5, float("-inf"), float("inf"), 1)
    assert estimate([float("nan"), 0.25, 0.75]).n == 2


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    held = [(e := estimate(random.normal(0.1, 0.2, 8))).low <= 0.1 <= e.high for _ in range(400)]
    assert 0.92 <= np.mean(held) <= 0.98


def test_methods_are_judged_against_chance():
    random = curves(0.3, seed=1)
    assert judge("good", Raw(curves(0.6, seed=2)), random).degradation == "passed"
    assert judge("bad", Raw(curves(0.05, seed=3)), random).degradation == "failed"
    assert judge("same", Raw(curves(0.3, seed=4)), random).degradation == "undecided"
    found = judge(
        "good",
        Raw(
            curves(0.6, seed=2), curves(0.1, seed=2), cascade=[("top", np.full(5, 0.9)), ("all", np.full(5, 0.1))],
            classes=np.array([0.9, 0.95, 0.92]), kept=np.array([0.99, 1.02, np.nan]),
        ),
        random,
    )  # fmt: skip
    assert (found.randomisation, found.sensitivity, found.kept.verdict) == ("passed", "failed", "passed")
    assert found.between.value == pytest.approx(0.25, abs=0.01)
    assert found.cascade == [("top", pytest.approx(0.9)), ("all", pytest.approx(0.1))]
    assert judge_below(Estimate(0.4, 0.2, 0.6, 5), 0.5) == "undecided"


def test_the_claims_are_paired_and_adjusted():
    falls = {"pattern-net": 0.6, "pattern-attribution": 0.3, "gradient": 0.3, "deconvnet": 0.5, "guided-backprop": 0.3}
    made = {name: curves(fall, seed=k) for k, (name, fall) in enumerate(falls.items())}
    claimed, against = list(falls)[:2], list(falls)[2:]
    found = {(c.method, c.against): c for c in check_claims(made, claimed, against)}
    assert len(found) == 6
    assert {found["pattern-net", other].verdict for other in ("gradient", "deconvnet", "guided-backprop")} == {"better"}
    assert found["pattern-attribution", "deconvnet"].verdict == "worse"
    assert found["pattern-attribution", "gradient"].verdict == "undecided"
    assert all(c.adjusted >= c.p for c in found.values())
    assert found["pattern-net", "gradient"].difference.value == pytest.approx(0.15, abs=0.02)
    assert check_claims({"pattern-net": made["pattern-net"]}, claimed, against) == []


def test_rho_is_summarised_over_layers():
    rho = {"random": [0.0, 0.1], "S_w": [0.2, 0.9], "S_a": [0.8, 0.5], "S_a+-": [0.9, 0.4]}
    found = summarise_signal(rho, "linear")
    assert (found.layers, found.above_filter, found.two_best) == (2, 1, 1)
    assert found.means["S_a"] == pytest.approx(0.65)
