"""Pictures that say nothing: what a pixel is compared with, or replaced by, in the model's input space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from kunstkammer.errors import ModelError, unknown_name

BASELINES = ("zero", "mean", "blur", "uniform")


def baseline_for(pixels: Tensor, baseline: str | Tensor, *, seed: int = 0) -> Tensor:
    """Return a baseline for each picture, of the shape of `pixels` (N, C, H, W).

    Args:
        pixels: the model's input, normalised.
        baseline: "zero": 0 everywhere, which is the mean colour of the training pictures where pixels are normalised;
            "mean": the picture's own mean colour; "blur": the picture blurred until only broad light and colour are
            left (a normal of a tenth of its longer side); "uniform": noise between the picture's smallest and largest
            value a channel; or a tensor (C, H, W) or (N, C, H, W).
        seed: of the noise; every picture gets the same up to its range.

    Raises `UnknownNameError` for another name, `ModelError` for a tensor of another shape.

    >>> baseline_for(torch.tensor([[[[1.0, 3.0]]]]), "mean")
    tensor([[[[2., 2.]]]])
    """
    if isinstance(baseline, Tensor):
        if baseline.shape not in {pixels.shape, pixels.shape[1:]}:
            raise ModelError(
                f"The baseline is {tuple(baseline.shape)}; give {tuple(pixels.shape[1:])} as the pictures are."
            )
        return baseline.to(pixels).expand_as(pixels)
    if baseline == "zero":
        return torch.zeros_like(pixels)
    if baseline == "mean":
        return pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels)
    if baseline == "blur":
        return blurred(pixels, max(pixels.shape[2:]) / 10)
    if baseline == "uniform":
        low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
        share = torch.rand(pixels.shape[1:], generator=torch.Generator().manual_seed(seed))
        return low + (high - low) * share.to(pixels)
    raise unknown_name("baseline", baseline, BASELINES)


def blurred(pixels: Tensor, deviation: float) -> Tensor:
    """Return pictures (N, C, H, W) blurred by a normal of `deviation` pixels; the edge's values go on beyond it."""
    reach = max(1, round(3 * deviation))
    places = torch.arange(-reach, reach + 1, dtype=pixels.dtype, device=pixels.device)
    kernel = torch.exp(-0.5 * (places / max(deviation, 1e-6)) ** 2)
    kernel = (kernel / kernel.sum()).reshape(1, 1, 1, -1)
    flat = pixels.flatten(0, 1).unsqueeze(1)
    flat = conv2d(pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel)
    flat = conv2d(pad(flat, (0, 0, reach, reach), mode="replicate"), kernel.transpose(2, 3))
    return flat.squeeze(1).unflatten(0, pixels.shape[:2])
