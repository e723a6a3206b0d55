"""Integrated gradients: the gradients on the way from a picture that says nothing, added up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.baseline import baseline_for
from kunstkammer.explanation.facts import Budget, ExplainerFacts
from kunstkammer.explanation.gradient import gradient_at
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register

RULES = ("gauss-legendre", "riemann")


def _fewer_steps(size: Sequence[int]) -> Budget:
    return Budget({"steps": 25}, "25 steps instead of 50")


@register(
    "explainers",
    "integrated-gradients",
    "The gradients on the straight way from a baseline, added up (Sundararajan et al. 2017, section 3)",
    ExplainerFacts("gradients", cost="many", shares=True, cheaper=_fewer_steps),
)
def integrated_gradients(
    task: Task,
    *,
    baseline: str | Tensor = "zero",
    steps: int = 50,
    rule: str = "gauss-legendre",
    seed: int = 0,
) -> Tensor:
    """Return (x - x') times the integral of the gradient from x' to x, signed, (N, C, H, W) (equation 1).

    Its sum over a picture is score(x) - score(x') (completeness), as exactly as the steps allow.

    Args:
        task: the batch.
        baseline: x', a name of `baseline.BASELINES` or a tensor (C, H, W) or (N, C, H, W), see `baseline_for`; a
            tensor (N, C, H, W) needs all pictures in one batch.
        steps: points at which the gradient is taken.
        rule: "gauss-legendre" (exact for polynomials of degree 2 steps - 1) or "riemann" (the middles of equal steps).
        seed: of the baseline "uniform".
    """
    if steps < 1:
        raise ModelError(f"integrated-gradients needs at least one step, not {steps}.")
    start = baseline_for(task.pixels, baseline, seed=seed)
    way = task.pixels - start
    places, weights = quadrature(steps, rule)
    total = torch.zeros_like(way)
    for group in task.groups(steps, gradients=True):
        on_the_way = torch.cat([start + float(place) * way for place in places[group]])
        gradients = gradient_at(task, on_the_way).unflatten(0, (-1, len(way)))
        total += torch.einsum("r,rnchw->nchw", torch.from_numpy(weights[group]).to(way), gradients)
    return total * way


def quadrature(steps: int, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Return places in 0..1 and their weights, which add up to 1. Raises `UnknownNameError` for another rule.

    >>> quadrature(2, "riemann")
    (array([0.25, 0.75]), array([0.5, 0.5]))
    """
    if rule == "gauss-legendre":
        places, weights = np.polynomial.legendre.leggauss(steps)
        return (places + 1) / 2, weights / 2
    if rule == "riemann":
        return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)
    raise unknown_name("rule of integration", rule, RULES)
