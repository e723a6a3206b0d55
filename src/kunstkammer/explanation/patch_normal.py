"""What a window probably shows, given the pixels around it: a normal over patches of pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import unfold

from kunstkammer.errors import ModelError

MOST_PATCHES = 4000
"""So many patches a channel are enough for a covariance of a few hundred pixels."""

SHRINKAGE = 0.01
"""This part of the covariance is a plain multiple of the identity, so that it can be inverted."""


class PatchNormal:
    """A normal over square patches, a channel each, and what it says of their middle given their border.

    The same idea as the conditional sampler of Zintgraf et al. 2017, section 3.1: the window is drawn from
    p(window | surroundings), where surroundings are the rest of a patch a little larger than the window.
    """

    def __init__(self, mean: Tensor, covariance: Tensor, side: int, patch: int) -> None:
        """`mean` (C, patch^2) and `covariance` (C, patch^2, patch^2) in float64."""
        self.mean, self.covariance, self.side, self.patch = mean, covariance, side, patch
        self._parts: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    @classmethod
    def fit(cls, pictures: Tensor, side: int, margin: int) -> PatchNormal:
        """Fit on pictures (M, C, h, w): windows of `side` pixels with up to `margin` pixels around them.

        Raises `ModelError` where the pictures are smaller than a window.
        """
        height, width = pictures.shape[2:]
        patch = min(side + 2 * margin, height, width)
        if patch < side:
            raise ModelError(f"Pictures of {height} x {width} are smaller than a window of {side} pixels.")
        there = len(pictures) * (height - patch + 1) * (width - patch + 1)
        step = max(1, math.floor(math.sqrt(there / MOST_PATCHES)))
        means, covariances = [], []
        for channel in pictures.double().unbind(dim=1):
            patches = unfold(channel.unsqueeze(1), patch, stride=step).transpose(1, 2).flatten(0, 1)
            mean = patches.mean(dim=0)
            centred = patches - mean
            covariance = centred.T @ centred / len(patches)
            share = covariance.diagonal().mean()
            covariance *= 1 - SHRINKAGE
            covariance.diagonal().add_(SHRINKAGE * share + 1e-12)
            means.append(mean)
            covariances.append(covariance)
        return cls(torch.stack(means), torch.stack(covariances), side, patch)

    def given(self, picture: Tensor, top: int, left: int) -> tuple[Tensor, Tensor]:
        """Return mean (C, side^2) and a square root (C, side^2, side^2) of the covariance of the window at (top, left).

        `picture` is (C, H, W); at its edges the patch is moved inside, so that the surroundings are one-sided there.
        """
        height, width = picture.shape[1:]
        above = min(max(top - (self.patch - self.side) // 2, 0), height - self.patch)
        before = min(max(left - (self.patch - self.side) // 2, 0), width - self.patch)
        inner, outer, gain, root = self._part(top - above, left - before)
        patch = picture[:, above : above + self.patch, before : before + self.patch].double().flatten(1)
        surprise = (patch - self.mean)[:, outer]
        return self.mean[:, inner] + torch.einsum("cio,co->ci", gain, surprise), root

    def _part(self, row: int, column: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return indices of the window and its surroundings, and gain and root, for the window's place in the patch."""
        if (row, column) not in self._parts:
            inside = torch.zeros(self.patch, self.patch, dtype=torch.bool, device=self.mean.device)
            inside[row : row + self.side, column : column + self.side] = True
            inner, outer = inside.flatten().nonzero()[:, 0], (~inside).flatten().nonzero()[:, 0]
            own = self.covariance[:, inner][:, :, inner]
            shared = self.covariance[:, inner][:, :, outer]
            gain = torch.zeros_like(shared)
            if len(outer):
                gain = torch.linalg.solve(self.covariance[:, outer][:, :, outer], shared.mT).mT
            root = torch.linalg.cholesky(own - gain @ shared.mT)
            self._parts[row, column] = inner, outer, gain, root
        return self._parts[row, column]
