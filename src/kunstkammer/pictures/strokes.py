"""The dark lines of a drawing: where they are, and a picture without some of them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
THICKEST = 1 / 25
"""What is thicker than this share of the side is an area, not a line."""
FAINTEST = 20
"""A line is at least so many grey levels darker than what lies beside it."""
PIECE = 1 / 10
"""How far a piece that is erased reaches from its middle along the line, as a share of the side."""

_AROUND = np.ones((3, 3), dtype=bool)


def find(plate: np.ndarray) -> np.ndarray:
    """Return bool (H, W): the pixels of dark lines in a plate, uint8 (C, H, W).

    A line is what a closing fills: the black top-hat (closing minus picture; Serra 1982) is at least 20 grey levels,
    and half of what it is at the picture's darkest lines, so that paper texture beside ink is none.
    """
    luma = np.tensordot(LUMA, plate.astype(np.float32), 1) if len(plate) == 3 else plate[0].astype(np.float32)
    size = max(5, round(min(luma.shape) * THICKEST) | 1)
    depth = ndimage.grey_closing(luma, size=(size, size), mode="nearest") - luma
    return depth >= max(FAINTEST, 0.5 * float(np.quantile(depth, 0.99)))


def erase(plate: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return a plate without some pieces of its dark lines, uint8 (C, H, W) both.

    Pieces begin at random line pixels and reach along the line, not across the paper, until about `share` of all line
    pixels are gone. A pixel erased takes the tone of the nearest one that belongs to no line, so that a line between
    two areas leaves their border where it was. Without lines the plate itself is returned.
    """
    lines = find(plate)
    # the pale edge of a line belongs to it: it goes with the line, and gives no tone
    with_edges = ndimage.binary_dilation(lines, _AROUND)
    if not lines.any() or with_edges.all():
        return plate
    wanted = share * lines.sum()
    reach = max(2, round(min(lines.shape) * PIECE))
    gone = np.zeros_like(lines)
    while gone.sum() < wanted:
        piece = np.zeros_like(lines)
        piece[tuple(rng.choice(np.argwhere(lines & ~gone)))] = True
        gone |= ndimage.binary_dilation(piece, _AROUND, iterations=reach, mask=lines)
    rows, columns = ndimage.distance_transform_edt(with_edges, return_distances=False, return_indices=True)
    return np.where(ndimage.binary_dilation(gone, _AROUND), plate[:, rows, columns], plate)
