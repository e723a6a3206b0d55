"""How good methods of explanation are, from the raw figures of each picture: areas, checks, and the paper's claim.

Nothing here knows a network: rows are pictures, columns steps. Intervals are Student's over the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kunstkammer.evaluation.experiment import Change, holm, paired_change

Floats = npt.NDArray[np.float64]

RANDOM = "random"
ALIKE = 0.5
"""Maps whose mean rank correlation lies below this, interval and all, count as unlike."""
KEPT = 0.1
"""Relevance that differs from the logit by no more than this share of it, in the middle picture, counts as kept."""
PASSED, FAILED, UNDECIDED = "passed", "failed", "undecided"


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` pictures with its 95 % interval (Student's t); one picture tells no interval: -inf to inf."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Kept:
    """What became of the logit: `share` of it is the sum of the relevance (the middle picture), `verdict` says it."""

    share: float
    verdict: str


@dataclass(frozen=True)
class MethodQuality:
    """All that was measured of one method.

    Attributes:
        name: of the method.
        area: mean probability over the curve, most relevant patches first; lower is better.
        beside_random: how far it lies below the random order; above 0 is better than random.
        between: area of the curve least relevant first less that of most relevant first (ABPC); higher is better.
        p: of `beside_random`, two-sided.
        degradation: "passed" where it is better than random at 95 %, "failed" where it is worse, else "undecided".
        cascade: layer -> likeness of the maps after everything down to it was drawn anew, means over the pictures whose
            maps are not the same everywhere (NaN where all are: patterns of a class that never speaks).
        randomised: likeness after the last step. randomisation: "passed" where the maps are unlike then.
        classes: likeness of the maps of the predicted and another class. sensitivity: "passed" where they are unlike.
        kept: for methods that share out the logit, whether they do.
        points: share of pictures whose largest value lies in a box; energy: share of positive relevance in boxes.
        note: how it was made cheaper than by default, "" where it was not.
        seconds: processor time of its maps, a picture.
    """

    name: str
    area: Estimate
    beside_random: Estimate
    between: Estimate | None
    p: float
    degradation: str
    cascade: list[tuple[str, float]] = field(default_factory=list)
    randomised: Estimate | None = None
    randomisation: str = ""
    classes: Estimate | None = None
    sensitivity: str = ""
    kept: Kept | None = None
    points: Estimate | None = None
    energy: Estimate | None = None
    note: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


@dataclass(frozen=True)
class Claim:
    """One of the paper's claims, tested: `method` falls faster than `against`.

    Attributes:
        method, against: names of methods.
        difference: area of `against` less that of `method`, paired by picture; above 0 speaks for the claim.
        p: of no difference. adjusted: for the number of claims (Holm).
        verdict: "better", "worse" or "undecided" (adjusted p of 0.05).
    """

    method: str
    against: str
    difference: Estimate
    p: float
    adjusted: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


def estimate(values: npt.ArrayLike) -> Estimate:
    """Return the mean of one value a picture (N,) with its interval; NaN are pictures without one.

    >>> found = estimate([0.1, 0.2, 0.3, float("nan")])
    >>> [round(x, 3) for x in (found.value, found.low, found.high)], found.n
    ([0.2, -0.048, 0.448], 3)
    """
    return _mean(np.asarray(values, dtype=np.float64))[0]


def _mean(values: Floats) -> tuple[Estimate, float]:
    """Return the mean with its interval, and p of no difference from 0."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Estimate(float("nan"), float("-inf"), float("inf"), 0), 1.0
    if len(values) == 1:
        return Estimate(float(values[0]), float("-inf"), float("inf"), 1), 1.0
    scale = max(1.0, float(np.abs(values).max()))  # `paired_change` is for shares and cuts off at 1
    found: Change = paired_change(np.zeros((1, len(values))), values[None] / (4 * scale))
    value, low, high = (4 * scale * part for part in (found.value, found.low, found.high))
    return Estimate(value, low, high, len(values)), found.p


def judge_below(found: Estimate, limit: float) -> str:
    """Return "passed" where an interval lies below a limit, "failed" where it lies above it, else "undecided"."""
    return PASSED if found.high < limit else FAILED if found.low > limit else UNDECIDED


def judge_kept(shares: npt.ArrayLike) -> Kept:
    """Judge which share of the logit the relevance adds up to, a picture each (N,).

    >>> judge_kept([0.97, 1.0, 1.3])
    Kept(share=1.0, verdict='passed')
    """
    share = float(np.nanmedian(np.asarray(shares, dtype=np.float64)))
    return Kept(share, PASSED if abs(share - 1) <= KEPT else FAILED)


@dataclass(frozen=True)
class Raw:
    """The raw figures of one method, a row a picture.

    Attributes:
        most, least: probability along the curve, (N, points), most and least relevant first.
        cascade: layer -> likeness (M,), in the order of the cascade.
        classes: likeness (M,) of the maps of two classes.
        kept: share (N,) of the logit; None for methods that do not share it out.
        points, energy: (B,) of pictures with boxes.
    """

    most: Floats
    least: Floats | None = None
    cascade: Sequence[tuple[str, Floats]] = ()
    classes: Floats | None = None
    kept: Floats | None = None
    points: Floats | None = None
    energy: Floats | None = None
    note: str = ""
    seconds: float = 0.0


def judge(name: str, raw: Raw, random: Floats) -> MethodQuality:
    """Judge a method by its raw figures and the curves of the random order (N, points)."""
    area = raw.most.mean(axis=1)
    beside, p = _mean(random.mean(axis=1) - area)
    randomised = estimate(raw.cascade[-1][1]) if raw.cascade else None
    classes = None if raw.classes is None else estimate(raw.classes)
    return MethodQuality(
        name,
        area=estimate(area),
        beside_random=beside,
        between=None if raw.least is None else estimate(raw.least.mean(axis=1) - area),
        p=p,
        degradation=PASSED if beside.low > 0 else FAILED if beside.high < 0 else UNDECIDED,
        cascade=[(layer, estimate(values).value) for layer, values in raw.cascade],
        randomised=randomised,
        randomisation="" if randomised is None else judge_below(randomised, ALIKE),
        classes=classes,
        sensitivity="" if classes is None else judge_below(classes, ALIKE),
        kept=None if raw.kept is None else judge_kept(raw.kept),
        points=None if raw.points is None else estimate(raw.points),
        energy=None if raw.energy is None else estimate(raw.energy),
        note=raw.note,
        seconds=raw.seconds,
    )


def check_claims(curves: Mapping[str, Floats], claimed: Sequence[str], against: Sequence[str]) -> list[Claim]:
    """Test whether the claimed methods fall faster than those they are claimed to be better than, as far as both exist.

    Args:
        curves: method -> probability along the curve, (N, points), most relevant first, the same pictures.
        claimed: the methods that Kindermans et al. 2017 claim to be better ...
        against: ... and than which.

    Source: Kindermans et al. 2017, section 5 (figure 4); p-values adjusted after Holm 1979.
    """
    pairs = [(a, b) for a in claimed for b in against if a in curves and b in curves]
    found = [_mean(curves[b].mean(axis=1) - curves[a].mean(axis=1)) for a, b in pairs]
    adjusted = holm([p for _, p in found]) if found else []
    return [
        Claim(a, b, difference, p, q, "undecided" if q >= 0.05 else "better" if difference.value > 0 else "worse")
        for (a, b), (difference, p), q in zip(pairs, found, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class SignalSummary:
    """rho of the signal estimators over the layers of a network, and how often the patterns win.

    Attributes:
        target: "linear" or "rectified".
        means: estimator -> mean rho over the layers.
        layers: how many.
        above_filter: in how many layers the better pattern stands above the filter and the random direction.
        two_best: in how many layers the two-component pattern is not below the linear one.
    """

    target: str
    means: dict[str, float]
    layers: int
    above_filter: int
    two_best: int


def summarise_signal(rho: Mapping[str, Sequence[float]], target: str) -> SignalSummary:
    """Summarise rho, estimator -> a value a layer ("random", "S_w", "S_a", "S_a+-")."""
    table = {name: np.asarray(values, dtype=np.float64) for name, values in rho.items()}
    patterns = np.maximum(table["S_a"], table["S_a+-"])
    others = np.maximum(table["S_w"], table["random"])
    return SignalSummary(
        target,
        {name: float(values.mean()) for name, values in table.items()},
        len(patterns),
        int((patterns > others).sum()),
        int((table["S_a+-"] >= table["S_a"]).sum()),
    )
