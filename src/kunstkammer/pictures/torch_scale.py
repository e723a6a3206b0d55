"""Antialiased scaling by torch's kernel for bytes, on Pillow's own memory wherever that can be had.

Pillow keeps a pixel in four bytes; turning that into an array of three copies the picture twice and costs as much as
scaling it. Arrow's C interface, which Pillow offers, hands over the memory as it is. The kernel takes four channels as
well as three, and the fourth is dropped from the small result.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

# Pillow keeps larger pictures in several blocks of memory (of 16 MiB unless it is told otherwise), which cannot be
# handed over; they are taken in bands.
_BAND_BYTES = 8 << 20


def squash_by_torch(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Scale an RGB picture to `size` = (height, width), bilinear with antialiasing; return uint8 (3, height, width),
    the channels innermost in memory.

    Bit for bit what `torch.nn.functional.interpolate` gives on the whole picture: it scales rows first, each for itself
    and rounded to bytes, then columns. Both sides of `size` must be at least 2: for one column the kernel is wrong.
    """
    import torch

    rows = max(1, _BAND_BYTES // (4 * image.width))
    if rows >= image.height:
        return _scaled(_pixels(image), size)[0, :3].numpy()
    narrow = torch.empty((image.height, size[1], 3), dtype=torch.uint8)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        scaled = _scaled(_pixels(band), (band.height, size[1]))
        narrow[top : top + rows] = scaled[0, :3].permute(1, 2, 0)
    return _scaled(narrow.permute(2, 0, 1)[None], size)[0].numpy()


def _scaled(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    import torch

    return torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)


def _pixels(image: Image.Image) -> Tensor:
    """Return uint8 (1, 3 or 4, H, W), the channels innermost in memory; not to be written to."""
    import torch

    arrow = getattr(sys.modules.get("pyarrow"), "array", None)  # where it has been imported: datasets brings it
    if arrow is not None and hasattr(image, "__arrow_c_array__"):
        try:
            flat = torch.from_dlpack(arrow(image).flatten())
        except ValueError:  # several blocks: Pillow was told to make smaller ones
            pass
        else:
            return flat.view(image.height, image.width, -1).permute(2, 0, 1)[None]
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
