"""Explanations that need no gradients, in NumPy: occlusion of plates, and Grad-CAM read off class maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kunstkammer.explanation.windows import windows_over
from kunstkammer.pictures.framing import central

if TYPE_CHECKING:
    from kunstkammer.web.inference.engines import Floats, Plates

AT_ONCE = 8
"""Covered versions of a picture that go through the network together."""


class Method(NamedTuple):
    """What is known of a method without torch: what the registry says of the explainer of that name."""

    name: str
    family: str
    slow: bool


GRAD_CAM = Method("grad-cam", "cams", slow=False)
OCCLUSION = Method("occlusion", "windows", slow=True)


def grad_cam(
    class_maps: Floats,
    targets: Sequence[int],
    versus: Sequence[int | None],
    size: tuple[int, int],
    centres: Sequence[tuple[float, float]],
) -> list[Floats]:
    """Return a heat map (H, W) for each picture: what speaks for the target, laid over the input.

    Args:
        class_maps: (N, K, h, w), each label's share of the logit cell by cell.
        targets, versus: the label of each picture, and what it is held against.
        size: (H, W) of the input.
        centres: (first, step): cell i looks at pixel first + step * i, in rows and in columns.

    It is `explain(..., method="grad-cam")` where the logits are linear in the mean of the map.
    """
    rows, columns = (
        _between(pixels, n, *axis) for pixels, n, axis in zip(size, class_maps.shape[2:], centres, strict=True)
    )
    heats = []
    for maps, target, other in zip(class_maps, targets, versus, strict=True):
        heat = maps[target] if other is None else maps[target] - maps[other]
        heats.append((rows @ np.maximum(heat, 0) @ columns.T).astype(np.float32))
    return heats


def _between(pixels: int, cells: int, first: float, step: float) -> Floats:
    """Return float32 (pixels, cells): what each cell adds to each pixel, linear between centres, constant beyond."""
    places = np.clip((np.arange(pixels) - first) / step, 0, cells - 1)
    left = np.minimum(places.astype(int), max(cells - 2, 0))
    found = np.zeros((pixels, cells), dtype=np.float32)
    share = places - left
    found[np.arange(pixels), left] += 1 - share
    found[np.arange(pixels), np.minimum(left + 1, cells - 1)] += share
    return found


def occlusion(
    logits: Callable[[Plates], Floats],
    plate: Plates,
    target: int,
    versus: int | None,
    size: tuple[int, int],
    pause: Callable[[], None] | None = None,
) -> Floats:
    """Return, for each pixel of the input (H, W), the mean fall of the logit over the windows that cover it, signed.

    Zeiler and Fergus 2014, section 4.2, as `explanation/occlusion.py` does it by default: windows of an 8th of the
    longer side, every half window, covered with the picture's mean colour (here as a uint8 plate has it, so rounded).

    Args:
        logits: the network, (M, C, H', W') -> (M, K).
        plate: uint8 (C, H', W'), of which the network sees the centre of `size`.
        target, versus: the label, and what it is held against.
        size: (H, W) of the input.
        pause: called before each pass through the network.
    """

    def score(versions: Plates) -> Floats:
        if pause is not None:
            pause()
        found = logits(versions)
        return found[:, target] if versus is None else found[:, target] - found[:, versus]

    top, left = central(plate.shape[1:], size)
    seen = plate[:, top : top + size[0], left : left + size[1]]
    cover = np.rint(seen.mean(axis=(1, 2))).astype(np.uint8)[:, None, None]
    windows = windows_over(size)
    whole = score(plate[None])[0]
    falls = []
    for start in range(0, len(windows.places), AT_ONCE):
        group = windows.where[start : start + AT_ONCE]
        versions = np.repeat(plate[None], len(group), axis=0)
        for version, where in zip(versions, group, strict=True):
            version[:, top : top + size[0], left : left + size[1]][where] = cover
        falls.append(whole - score(versions))
    return windows.mean(np.concatenate(falls).astype(np.float64)[:, None])[0].astype(np.float32)
