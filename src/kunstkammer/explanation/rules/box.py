"""Between what the pixels lie: what the z-box rule must know of a first layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.rules.kernel import Kernel
from kunstkammer.explanation.rules.kernel_rules import ZBox
from kunstkammer.explanation.rules.relevance import Box

Bound = float | Sequence[float] | Tensor | None
"""One number, one for each channel, or None for each picture's own extreme in each channel."""


def box_of(low: Bound, high: Bound) -> Box:
    """Return what says of pixels (N, C, H, W) between what they lie, as two tensors that broadcast with them.

    For normalised pixels, low and high are those of black and white: (0 - mean) / std and (1 - mean) / std, a channel
    each. Raises `ModelError` for bounds of another length than there are channels, or in the wrong order.
    """

    def bounds(pixels: Tensor) -> tuple[Tensor, Tensor]:
        least = _bound("low", low, pixels, pixels.amin(dim=(2, 3), keepdim=True))
        greatest = _bound("high", high, pixels, pixels.amax(dim=(2, 3), keepdim=True))
        if bool((least > greatest).any()):
            raise ModelError(f"low ({low}) lies above high ({high}); give the least and the greatest value of a pixel.")
        return least, greatest

    return bounds


def box_rule(kernel: Kernel) -> ZBox:
    """Return the z-box rule for a first kernel; `ModelError` where the pixels cannot be followed as far as to it."""
    if kernel.bounds is None:
        raise ModelError(
            "What the network does with the pixels before its first layer leaves their bounds unknown, so that the "
            "z-box rule cannot be used; choose lrp-epsilon or deep-taylor without bounds."
        )
    return ZBox(*kernel.bounds)


def _bound(name: str, given: Bound, pixels: Tensor, own: Tensor) -> Tensor:
    if given is None:
        return own
    try:
        values = torch.as_tensor(given, dtype=pixels.dtype, device=pixels.device).flatten()
    except (TypeError, ValueError, RuntimeError):
        raise ModelError(
            f"{name} is {given!r}; give a number, or one for each of {pixels.shape[1]} channels."
        ) from None
    if len(values) not in {1, pixels.shape[1]} or not bool(values.isfinite().all()):
        raise ModelError(f"{name} is {given!r}; give a number, or one for each of {pixels.shape[1]} channels.")
    return values.view(1, -1, 1, 1)
