"""The least-squares problem behind the measure of signal estimators, from moments: no patch is kept.

A signal estimator S(x) = a_on y_on + a_off y_off, where y_on is y where the layer is active and 0 elsewhere and y_off
the rest, leaves the residual d = x - S(x). Wanted is the v for which v.d follows a target t best. As y = w.x,

    v.d = q.(x, y_on),   where q may be anything with   q.(a_on, 1) = 0   and   q.(a_off, 0) = 0.

So it is one least-squares problem over (x, y_on) with two linear constraints an output, and one eigendecomposition of
cov(x) serves all outputs of a layer. Directions in which x does not vary lift a constraint: where an estimator puts
signal there, d alone shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kunstkammer.explanation.patterns.samples import Sample

NOTHING = 1e-10
"""Of the largest variance: directions of x with less do not vary."""

TARGETS = ("linear", "rectified")
"""y = w.x, or what goes on of it: max(0, y + b) before a rectifier."""


def targets(sample: Sample) -> Tensor:
    """Return what v.d shall follow, y and what goes on of it, (G, P, O, 2)."""
    return torch.stack([sample.y, sample.passed], dim=-1)


def features(sample: Sample) -> Tensor:
    """Return y where the layer is active and y where it is not, (G, P, O, 2)."""
    on = torch.where(sample.active, sample.y, 0.0)
    return torch.stack([on, sample.y - on], dim=-1)


@dataclass
class Moments:
    """Sums over samples of one layer, from which all covariances follow. x, f (features), t (targets) as above."""

    count: int = 0
    x: Tensor | float = 0.0
    f: Tensor | float = 0.0
    xx: Tensor | float = 0.0
    xf: Tensor | float = 0.0
    ff: Tensor | float = 0.0

    def add(self, sample: Sample) -> None:
        """Count a sample."""
        both = torch.cat([features(sample), targets(sample)], dim=-1)  # (G, P, O, 4)
        self.count += sample.x.shape[1]
        self.x = self.x + sample.x.sum(1)
        self.f = self.f + both.sum(1)
        self.xx = self.xx + sample.x.transpose(1, 2) @ sample.x
        self.xf = self.xf + torch.einsum("gpd,gpok->gdok", sample.x, both)
        self.ff = self.ff + torch.einsum("gpok,gpol->gokl", both, both)

    def covariances(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return cov(x) (G, D, D), cov(x, f and t) (G, D, O, 4) and cov(f and t) (G, O, 4, 4)."""
        x, f = torch.as_tensor(self.x) / self.count, torch.as_tensor(self.f) / self.count
        xx = torch.as_tensor(self.xx) / self.count - x[:, :, None] * x[:, None, :]
        xf = torch.as_tensor(self.xf) / self.count - torch.einsum("gd,gok->gdok", x, f)
        ff = torch.as_tensor(self.ff) / self.count - f[..., :, None] * f[..., None, :]
        return xx, xf, ff


class Solver:
    """Finds the best v of any estimator for one layer, from the moments of the part that v is optimised on."""

    def __init__(self, moments: Moments) -> None:
        xx, xf, self._ff = moments.covariances()
        values, vectors = torch.linalg.eigh(xx)
        varies = values > NOTHING * values.amax(1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
        scale = torch.where(varies, values.clamp(min=0).sqrt(), 0.0)
        self._whiten = vectors * torch.where(varies, 1 / torch.where(varies, scale, 1.0), 0.0)[:, None, :]
        self._still = vectors * (~varies)[:, None, :]  # where x does not vary
        self._xf = torch.einsum("gde,gdok->geok", self._whiten, xf)  # of whitened x

    def best(self, on: Tensor, off: Tensor) -> Tensor:
        """Return v for both targets, (G, D, O, 2), for the directions a_on and a_off, each (G, D, O)."""
        a = torch.stack([on, off], dim=-1)  # (G, D, O, 2)
        free = torch.einsum("gde,gdok->goek", self._still, a)  # what the estimator puts where x does not vary
        lifted = torch.linalg.pinv(free, atol=1e-6 * float(a.abs().max()))  # (G, O, 2, D)
        held = torch.eye(2).to(a) - lifted @ free
        inside = torch.einsum("gde,gdok->geok", self._whiten, a)
        solution, gamma = self._constrained(inside, held)
        # Back from q = (psi, gamma): v is psi where x varies; elsewhere it takes what the lifted constraints allow.
        taken = torch.einsum("geok,geol->gokl", inside, solution)
        taken[:, :, 0] += gamma
        rest = torch.einsum("goek,gokl->goel", lifted.transpose(-1, -2), taken)
        return torch.einsum("gde,geol->gdol", self._whiten, solution) - torch.einsum(
            "gde,goel->gdol", self._still, rest
        )

    def _constrained(self, inside: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Return psi (G, D, O, 2) over whitened x and gamma (G, O, 2) over y_on, both targets."""
        p, wanted = self._xf[..., 0], self._xf[..., 2:]
        variance = self._ff[..., 0, 0]
        schur = variance - (p * p).sum(1)  # of y_on, what x does not tell
        inverse = torch.where(schur > NOTHING * variance, 1 / torch.where(schur > 0, schur, 1.0), 0.0)

        def solve(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            """Apply the inverse of cov(x, y_on) to (G, D, O, k) and (G, O, k)."""
            gamma = inverse[..., None] * (y - torch.einsum("gdo,gdok->gok", p, x))
            return x - p[..., None] * gamma[:, None], gamma

        one = torch.tensor([1.0, 0.0]).to(p).expand(*variance.shape, 2)
        rows_x = torch.einsum("gdok,gokl->gdol", inside, held)  # the constraints that hold, as columns
        rows_y = torch.einsum("gok,gokl->gol", one, held)
        free_x, free_y = solve(wanted, self._ff[..., 0, 2:])
        held_x, held_y = solve(rows_x, rows_y)
        middle = torch.einsum("gdok,gdol->gokl", rows_x, held_x) + rows_y[..., :, None] * held_y[..., None, :]
        over = torch.einsum("gdok,gdol->gokl", rows_x, free_x) + rows_y[..., :, None] * free_y[..., None, :]
        price = torch.linalg.pinv(middle, rtol=NOTHING) @ over
        psi = free_x - torch.einsum("gdok,gokl->gdol", held_x, price)
        return psi, free_y - torch.einsum("gok,gokl->gol", held_y, price)


@dataclass
class Correlation:
    """Sums from which the correlation of v.d with each target follows, for one estimator of one layer, (G, O, 2)."""

    count: int = 0
    sums: Tensor | float = 0.0

    def add(self, sample: Sample, on: Tensor, off: Tensor, v: Tensor) -> None:
        """Count a sample, for the directions (G, D, O) and v (G, D, O, 2)."""
        t = targets(sample)
        a = torch.stack([on, off], dim=-1)
        taken = torch.einsum("gdol,gdok->golk", v, a)  # v.a_on and v.a_off
        g = torch.einsum("gpd,gdol->gpol", sample.x, v) - torch.einsum("gpok,golk->gpol", features(sample), taken)
        self.count += sample.x.shape[1]
        self.sums = self.sums + torch.stack([g, t, g * g, t * t, g * t]).sum(2)

    def value(self) -> Tensor:
        """Return the correlations (G, O, 2): 0 where v.d does not vary, NaN where the target does not."""
        g, t, gg, tt, gt = torch.as_tensor(self.sums) / self.count
        spread, wanted = gg - g * g, tt - t * t
        found = (gt - g * t) / (spread.clamp(min=0) * wanted.clamp(min=0)).sqrt()
        found = torch.where(spread > 1e-20 * gg, found, 0.0)
        return torch.where(wanted > 1e-12 * tt, found, torch.nan)
