"""Picture degradation: how fast the score falls when a method's most relevant patches are taken away first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.baseline import baseline_for
from kunstkammer.explanation.task import borrowed, logits_of
from kunstkammer.metrics.decisions import to_probabilities
from kunstkammer.metrics.intervals import resample_weights

RANDOM = "random"
ORDERS = ("most", "least")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """The mean over pictures of the area under a curve, or between two, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curves:
    """What became of the score of each picture.

    Attributes:
        scores: method -> float64 (N, P): the probability of the class that the model chose at first, after each
            number of replaced patches that was looked at.
        patches: those numbers, from 0 on: (P,).
    """

    scores: dict[str, Floats]
    patches: tuple[int, ...] = ()

    def area(self, method: str, beside: str | None = None, *, resamples: int = 1000, seed: int = 0) -> Area:
        """Return the mean score of a method over all points, or that of `beside` less it: how much faster it falls.

        Intervals resample pictures; with `beside` both curves of a picture stay together. Raises `UnknownNameError`.
        """
        for name in (method, beside):
            if name is not None and name not in self.scores:
                raise unknown_name("curve", name, self.scores)
        each = self.scores[method].mean(axis=1)
        if beside is not None:
            each = self.scores[beside].mean(axis=1) - each
        members = np.arange(len(each))
        means = np.concatenate([w @ each / w.sum(axis=1) for w in resample_weights(members, resamples, seed)])
        low, high = np.quantile(means, [0.025, 0.975])
        return Area(float(each.mean()), float(low), float(high))


def degrade(
    model: nn.Module,
    pixels: Tensor,
    maps: Mapping[str, Tensor],
    *,
    patch: int = 9,
    steps: int = 100,
    order: str = "most",
    fill: str = "mean",
    points: int | None = None,
    with_random: bool = True,
    batch_size: int = 64,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Curves:
    """Take the most relevant patches away one by one, and watch the score (Kindermans et al. 2017, section 4.2).

    The picture is laid out in patches that do not overlap (what is left over at the edges stays); a patch's relevance
    is the sum of its map. Beside the methods stands "random", an order by chance.

    Args:
        model: a classifier as `explain` takes; left as it was found.
        pixels: (N, C, H, W), its input.
        maps: method -> its relevance (N, C or 1, H, W) for these pictures.
        patch: side of a patch in pixels.
        steps: patches to replace, at most as many as there are.
        order: "most" relevant first, or "least".
        fill: "mean" (the patch's own mean colour), "blur" (the picture, blurred) or "inpaint" (colours run in from
            what is left).
        points: look at the score at so many numbers of patches, evenly spread from none to `steps`; at each of them
            where not given.
        with_random: whether the random order stands beside the methods.
        batch_size: so many rows go through the model at once.
        seed: of the random order.
        advance: called with the number of rows that went through the model.

    Raises `ModelError` for maps of another size or a picture smaller than a patch, `UnknownNameError` for an unknown
    order or fill.
    """
    if order not in ORDERS:
        raise unknown_name("order", order, ORDERS)
    if fill not in FILLS:
        raise unknown_name("fill", fill, FILLS)
    rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
    if rows * columns == 0:
        raise ModelError(
            f"Pictures of {pixels.shape[2]} x {pixels.shape[3]} are smaller than a patch of {patch} pixels; "
            "give a smaller patch."
        )
    steps = min(steps, rows * columns)
    ranks = {name: _ranks(name, relevance, pixels, patch, order) for name, relevance in maps.items()}
    noise = torch.rand(len(pixels), rows * columns, generator=torch.Generator().manual_seed(seed))
    if with_random:
        ranks[RANDOM] = noise.argsort(dim=1).argsort(dim=1)
    after = looked_at(steps, points)
    with borrowed(model), torch.no_grad():
        parts = [pixels[i : i + batch_size] for i in range(0, len(pixels), batch_size)]
        chosen = torch.cat([logits_of(model, part).argmax(dim=1) for part in parts])
        walk = _Walk(model, pixels, chosen, patch, after, FILLS[fill](pixels, patch), batch_size, advance)
        scores = {name: walk.scores(rank.to(pixels.device)) for name, rank in ranks.items()}
    return Curves(scores, tuple(after.tolist()))


def looked_at(steps: int, points: int | None = None) -> npt.NDArray[np.int64]:
    """Return the numbers of patches at which the score is looked at: from none to `steps`, `points` of them at most.

    >>> looked_at(9, 4).tolist(), looked_at(2).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if points is not None and points < 2:
        raise ModelError(f"A curve needs at least 2 points, not {points}.")
    return np.unique(np.round(np.linspace(0, steps, min(points or steps + 1, steps + 1))).astype(np.int64))


Filler = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(pictures (M, C, H, W), which of all they are (M,), gone (M, 1, H, W) in 0 and 1) -> what stands where it is gone."""


def _mean_fill(pixels: Tensor, patch: int) -> Filler:
    means = interpolate(avg_pool2d(pixels, patch), scale_factor=patch, mode="nearest")
    filled = pixels.clone()
    filled[:, :, : means.shape[2], : means.shape[3]] = means
    return lambda pictures, which, gone: filled[which]


def _blur_fill(pixels: Tensor, patch: int) -> Filler:
    filled = baseline_for(pixels, "blur")
    return lambda pictures, which, gone: filled[which]


def _inpaint_fill(pixels: Tensor, patch: int) -> Filler:
    return lambda pictures, which, gone: inpainted(pictures, gone)


FILLS: dict[str, Callable[[Tensor, int], Filler]] = {"mean": _mean_fill, "blur": _blur_fill, "inpaint": _inpaint_fill}


def inpainted(pictures: Tensor, gone: Tensor) -> Tensor:
    """Return pictures (M, C, H, W) whose gone places (M, 1, H, W) take the mean of what is left around them.

    Pull and push (Gortler et al. 1996, section 3.4): halved until every place has something, and enlarged again.

    >>> picture, gone = torch.tensor([[[[1.0, 9.0], [3.0, 2.0]]]]), torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
    >>> inpainted(picture, gone)
    tensor([[[[1., 2.],
              [3., 2.]]]])
    """
    left = 1 - gone
    if not bool(gone.any()) or min(pictures.shape[2:]) < 2:
        return pictures * left
    share = avg_pool2d(left, 2, ceil_mode=True)
    coarse = avg_pool2d(pictures * left, 2, ceil_mode=True) / share.clamp(min=1e-9)
    coarse = inpainted(coarse, (share == 0).to(left))
    return pictures * left + gone * interpolate(coarse, size=pictures.shape[2:], mode="nearest")


def _ranks(name: str, relevance: Tensor, pixels: Tensor, patch: int, order: str) -> Tensor:
    """Return when each patch goes, int64 (N, patches) from 0."""
    if len(relevance) != len(pixels) or relevance.ndim != 4 or relevance.shape[2:] != pixels.shape[2:]:
        raise ModelError(
            f"The maps of {name} are {tuple(relevance.shape)} for pictures {tuple(pixels.shape)}; one map each of the "
            "same size is needed."
        )
    sums = avg_pool2d(relevance.double().sum(dim=1, keepdim=True), patch).flatten(1)
    return sums.argsort(dim=1, descending=order == "most", stable=True).argsort(dim=1)


@dataclass(frozen=True)
class _Walk:
    """Rows of pictures and steps mixed, so that batches are full."""

    model: nn.Module
    pixels: Tensor
    chosen: Tensor
    patch: int
    after: npt.NDArray[np.int64]
    filler: Filler
    batch_size: int
    advance: Callable[[int], None] | None

    def scores(self, ranks: Tensor) -> Floats:
        """Return float64 (N, points) for an order of the patches, int64 (N, patches)."""
        pixels, patch = self.pixels, self.patch
        rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
        found = np.empty((len(pixels), len(self.after)))
        for picture, point in _rows(len(pixels), len(self.after), self.batch_size):
            which = torch.as_tensor(picture, device=pixels.device)
            after = torch.as_tensor(self.after[point], device=pixels.device)
            gone = (ranks[which] < after[:, None]).to(pixels).reshape(-1, 1, rows, columns)
            pictures = pixels[which]
            mask = torch.zeros_like(pictures[:, :1])
            mask[:, :, : rows * patch, : columns * patch] = interpolate(gone, scale_factor=patch, mode="nearest")
            changed = torch.where(mask > 0, self.filler(pictures, which, mask), pictures)
            likely = probabilities_of(self.model, logits_of(self.model, changed))
            found[picture, point] = likely.gather(1, self.chosen[which][:, None].cpu())[:, 0].numpy()
            if self.advance is not None:
                self.advance(len(picture))
        return found


def probabilities_of(model: nn.Module, logits: Tensor) -> Tensor:
    """Return float64 (N, K) on the CPU: `to_probabilities`, with a sigmoid too for a network of one output."""
    config = getattr(model, "config", None)
    many = getattr(config, "problem_type", None) == "multi_label_classification" or logits.shape[1] == 1
    return torch.from_numpy(to_probabilities(logits.detach().cpu().numpy(), multi_label=many))


def _rows(pictures: int, steps: int, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    every = np.arange(pictures * steps)
    for start in range(0, len(every), batch_size):
        part = every[start : start + batch_size]
        yield part // steps, part % steps
