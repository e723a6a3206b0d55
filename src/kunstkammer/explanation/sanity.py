"""Does a map depend on the model, and does it lie on the thing: sanity checks, pointing game, energy in boxes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.pictures.detections import Detections

Floats = npt.NDArray[np.float64]


def cascade(model: nn.Module, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Yield (layer, model) with one layer more randomised each time, from the output down (Adebayo et al. 2018, 3.1).

    A layer's weights are drawn anew from a normal of their own mean and standard deviation. One copy of the model is
    changed step by step, so look at it before asking for the next; the model itself is left alone.
    """
    changed = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, module in reversed(list(changed.named_modules())):
            own = list(module.parameters(recurse=False))
            if not own:
                continue
            for weight in own:
                spread = float(weight.std()) if weight.numel() > 1 else 0.0
                fresh = torch.randn(weight.shape, generator=generator) * spread + float(weight.mean())
                weight.copy_(fresh.to(weight))
            yield name, changed


def layers_of(model: nn.Module) -> list[str]:
    """Return the modules with weights of their own, from the output down: the steps of the cascade."""
    return [name for name, module in reversed(list(model.named_modules())) if list(module.parameters(recurse=False))]


def randomisation(
    model: nn.Module,
    make: Callable[[nn.Module], Tensor],
    seed: int = 0,
    *,
    most: int | None = None,
    flat: float = 0.0,
) -> list[tuple[str, Floats]]:
    """Return after each step of the cascade how alike the maps still are: (layer, float64 (N,)), see `likeness`.

    `make` returns the maps (N, C, H, W) of a model. A method whose maps stay alike explains the picture, not the model.
    With `most` the maps are looked at after so many steps only, evenly spread: after the first (the output layer) and
    after the last (all layers) in any case.
    """
    number = len(layers_of(model))
    wanted = set(range(number))
    if most is not None and most < number:
        wanted = set(np.round(np.linspace(0, number - 1, max(most, 2))).astype(int).tolist())
    first = make(model)
    steps = enumerate(cascade(model, seed))
    return [(name, likeness(first, make(changed), flat=flat)) for i, (name, changed) in steps if i in wanted]


def likeness(maps: Tensor, others: Tensor, *, signed: bool = False, flat: float = 0.0) -> Floats:
    """Return Spearman's rank correlation of the amounts of each two maps (N, C, H, W), summed over channels, (N,).

    `flat` where a map is the same everywhere. With `signed` of the values themselves: a map and its negative are then
    as unlike as can be.

    >>> one = torch.tensor([[[[0.0, 1.0], [2.0, -3.0]]]])
    >>> likeness(one, -2 * one)
    array([1.])
    """
    if maps.shape[0] != others.shape[0] or maps.shape[2:] != others.shape[2:]:
        raise ModelError(f"Maps of {tuple(maps.shape)} and of {tuple(others.shape)} cannot be compared.")
    found = np.full(len(maps), flat)
    for n, pair in enumerate(zip(maps, others, strict=True)):
        sums = [one.sum(dim=0).double().cpu().numpy().ravel() for one in pair]
        ranks = [rankdata(one if signed else np.abs(one)) for one in sums]
        if min(float(np.std(r)) for r in ranks) > 0:
            found[n] = np.corrcoef(ranks[0], ranks[1])[0, 1]
    return found


def points_inside(maps: Tensor, boxes: Sequence[Detections], tolerance: float = 0.0) -> npt.NDArray[np.bool_]:
    """Say of each picture whether its map (N, C, H, W) is largest inside one of its boxes (Zhang et al. 2018, 4.1).

    The boxes are in pixels of the map; `tolerance` in pixels around them (the paper's 15). A map that is nowhere
    positive points at nothing.
    """
    _check(maps, boxes)
    heats = maps.sum(dim=1)
    found = np.zeros(len(maps), dtype=bool)
    for n, heat in enumerate(heats):
        if float(heat.max()) <= 0:
            continue
        row, column = divmod(int(heat.argmax()), heat.shape[1])
        found[n] = any(
            left - tolerance <= column + 0.5 <= right + tolerance and top - tolerance <= row + 0.5 <= bottom + tolerance
            for left, top, right, bottom in boxes[n].boxes.tolist()
        )
    return found


def energy_inside(maps: Tensor, boxes: Sequence[Detections]) -> Floats:
    """Return the share of each map's positive relevance that lies inside its boxes (Wang et al. 2020, 4.3), (N,).

    nan where nothing is positive.

    >>> maps = torch.zeros(1, 1, 4, 4)
    >>> maps[0, 0, 0, 0], maps[0, 0, 3, 3], maps[0, 0, 1, 1] = 3.0, 1.0, -5.0
    >>> energy_inside(maps, [Detections([(0, 0, 2, 2)])])
    array([0.75])
    """
    _check(maps, boxes)
    heats = maps.double().sum(dim=1).relu().cpu().numpy()
    found = np.full(len(heats), np.nan)
    for n, heat in enumerate(heats):
        if heat.sum() > 0:
            found[n] = heat[boxes[n].mask(heat.shape)].sum() / heat.sum()
    return found


def _check(maps: Tensor, boxes: Sequence[Detections]) -> None:
    if maps.ndim != 4 or len(maps) != len(boxes):
        raise ModelError(
            f"Boxes of {len(boxes)} pictures for maps {tuple(maps.shape)}; give (N, C, H, W) and N of them."
        )
    for one in boxes:
        for empty in one.boxes[one.area <= 0].tolist():
            raise ModelError(f"The box {tuple(empty)} has no area; leave it out.")
