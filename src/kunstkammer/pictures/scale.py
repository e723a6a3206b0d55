"""Pictures of one size: squash, pad or crop, always antialiased; and the way to tensors and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kunstkammer.pictures.framing import Fit, Framing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Fit", "decoded_side", "fit_picture", "to_image", "to_tensor"]


def decoded_side(size: tuple[int, int]) -> int:
    """Return what to ask of `read_picture(at_least=...)` when the picture is then scaled to `size` = (height, width).

    Three times the longer side: a JPEG that is decoded at a fraction and then scaled differs from one that is decoded
    whole and scaled by under 0.2 grey levels in the mean, even on pages with screen tone (twice: up to 2.6; once: 7.6).
    """
    return 3 * max(size)


def fit_picture(image: Image.Image, size: tuple[int, int], fit: Fit = "squash") -> Image.Image:
    """Scale a picture to `size` = (height, width), antialiased (bilinear with support, as transformers' processors).

    Args:
        image: mode "RGB" or "L".
        size: (height, width) in pixels.
        fit: "squash" changes the aspect; "pad" keeps it and fills with white, the picture in the middle; "crop"
            keeps it and cuts off what overhangs, half on each side.

    Raises `RecipeError` for an unknown fit.
    """
    return Framing(*size, fit=fit).apply(image)


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """Stack pictures of one size and mode ("RGB" or "L") into uint8 (N, C, H, W).

    >>> to_tensor([Image.new("L", (5, 3))]).shape
    torch.Size([1, 1, 3, 5])
    """
    import torch

    kinds = {(image.mode, image.size) for image in images}
    if len(kinds) != 1 or next(iter(kinds))[0] not in ("RGB", "L"):
        raise ValueError(f"Only pictures of one size and of mode RGB or L make one tensor, not {sorted(kinds)}.")
    array = np.stack([np.asarray(image) for image in images])
    if array.ndim == 3:
        return torch.from_numpy(array[:, None])
    return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))


def to_image(pixels: Tensor) -> Image.Image:
    """Turn uint8 (1, H, W) or (3, H, W) into an image of mode "L" or "RGB"."""
    import torch

    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise ValueError(f"Expected uint8 (1 or 3, H, W), not {pixels.dtype} {tuple(pixels.shape)}.")
    array = pixels.detach().cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
