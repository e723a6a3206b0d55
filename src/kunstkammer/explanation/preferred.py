"""The preferred input of a class: a picture, made from noise, that raises its logit and still looks like a picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError
from kunstkammer.explanation.target import Target, resolve_target
from kunstkammer.explanation.task import Task, borrowed

# How the colours of photographs go together: a square root of their covariance (ImageNet; Olah et al. 2017, "Feature
# Visualization", appendix "Preconditioning"). Without it colours are garish.
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))

FALL = 1.2
"""Waves of twice the frequency are 2 ** FALL times as hard to raise (1 is the fall of amplitudes in photographs)."""


def preferred_input(
    model: nn.Module,
    target: Target,
    *,
    size: tuple[int, int],
    channels: int = 3,
    prepare: Callable[[Tensor], Tensor] | None = None,
    steps: int = 256,
    rate: float = 0.05,
    variation: float = 0.5,
    decay: float = 0.05,
    jitter: float = 0.06,
    seed: int = 0,
    versus: Target = None,
) -> Tensor:
    """Return for each class in question a picture that the model would most readily call so, (N, C, H, W) in 0..1.

    Activation maximisation (Erhan et al. 2009; Simonyan et al. 2014, section 2) with priors of natural pictures: the
    picture is made of waves, of which low ones are easier to raise than high ones (1 / f) and fine ones join only
    after coarse ones (many scales), its colours go together as those of photographs do (Olah et al. 2017), contrast
    and neighbouring pixels' differences cost something, and it must please the model also when it is shifted and
    scaled a little. Every class starts from the same noise, so that a picture does not depend on the others.

    Args:
        model: a classifier as `explain` takes; left as it was found.
        target: a class number or label, or a list of them; a picture each.
        size: (height, width) of the model's input.
        channels: of the picture: 1 for grey, 3 for colour.
        prepare: makes the model's input of pictures in 0..1, differentiably (`PictureGeometry.normalise`); None where
            the model takes them as they are.
        steps: of gradient ascent.
        rate: of the steps.
        variation: price of the mean difference of neighbouring pixels (total variation), a logit a pixel's mean.
        decay: price of the mean squared distance from mid grey.
        jitter: the largest shift, as a share of the side.
        seed: of noise and shifts.
        versus: raise the logit of the target less that of this class.

    Raises `ModelError` where there is no such class or no step, `UnknownNameError` for an unknown label.
    """
    if steps < 1 or min(size) < 2:
        raise ModelError(f"A preferred input needs steps >= 1 and a size of at least 2 x 2, not {steps} and {size}.")
    targets = [target] if isinstance(target, str | int) else target
    chosen = resolve_target(model, targets, _length(targets))
    against = resolve_target(model, versus, _length(targets))
    if chosen is None:
        raise ModelError("A preferred input is one of a class: give a class number, a label, or a list of them.")
    first = next(iter(model.parameters()))
    generator = torch.Generator().manual_seed(seed)
    waves = Waves(size, channels, generator).to(first.device)
    with borrowed(model):
        spectrum = waves.start.repeat(len(chosen), *[1] * (waves.start.ndim - 1)).requires_grad_()
        optimizer = torch.optim.Adam([spectrum], lr=rate)
        for step in range(steps):
            picture = waves.picture(spectrum, min(1.0, 2 * (step + 1) / steps))
            shown = _shaken(picture, jitter, generator)
            pixels = (shown if prepare is None else prepare(shown)).to(first.dtype)
            score = Task(model, pixels, chosen.to(first.device), versus=_moved(against, first)).score(pixels)
            price = variation * total_variation(picture) + decay * ((picture - 0.5) ** 2).mean(dim=(1, 2, 3))
            optimizer.zero_grad()
            (price - score).sum().backward()
            optimizer.step()
        return waves.picture(spectrum, 1.0).detach()


class Waves:
    """Pictures (N, C, H, W) in 0..1 as sums of waves whose weights are learnt.

    Attributes:
        start: (1, C, H, W // 2 + 1, 2), small noise: real and imaginary parts.
    """

    def __init__(self, size: tuple[int, int], channels: int, generator: torch.Generator) -> None:
        self.size, self.channels = size, channels
        rows, columns = torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1])[None, :]
        self.frequency = torch.sqrt(rows**2 + columns**2)
        self.start = 0.01 * torch.randn(1, channels, *self.frequency.shape, 2, generator=generator)

    def to(self, device: torch.device) -> Waves:
        """Move to a device, and return itself."""
        self.frequency, self.start = self.frequency.to(device), self.start.to(device)
        return self

    def picture(self, spectrum: Tensor, share: float) -> Tensor:
        """Return the pictures of a spectrum (N, C, H, W // 2 + 1, 2), with waves up to `share` of all octaves."""
        lowest = 1 / max(self.size)
        octaves = math.log2(0.5 / lowest)
        highest = lowest * 2 ** (2 + (octaves - 1) * share)
        loudness = (lowest / self.frequency.clamp(min=lowest)) ** FALL / lowest
        loudness = loudness * torch.sigmoid(4 * torch.log2(highest / self.frequency.clamp(min=lowest)))
        values = torch.fft.irfft2(torch.view_as_complex(spectrum) * loudness, s=self.size, norm="ortho") / 4
        if self.channels == 3:
            colours = torch.tensor(COLOURS, dtype=values.dtype, device=values.device)
            colours = colours / colours.norm(dim=1).max()
            values = torch.einsum("dc,nchw->ndhw", colours, values)
        return torch.sigmoid(values)


def total_variation(pictures: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels of each picture (N, C, H, W), (N,).

    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor([1.])
    """
    down = (pictures[:, :, 1:] - pictures[:, :, :-1]).abs().mean(dim=(1, 2, 3))
    across = (pictures[:, :, :, 1:] - pictures[:, :, :, :-1]).abs().mean(dim=(1, 2, 3))
    return down + across


def _shaken(pictures: Tensor, jitter: float, generator: torch.Generator) -> Tensor:
    """Shift and scale all pictures alike by a random amount; beyond the edge stands the edge's colour."""
    shift = (2 * torch.rand(2, generator=generator) - 1) * 2 * jitter
    scale = 1 + (2 * float(torch.rand((), generator=generator)) - 1) * 2 * jitter
    turn = torch.tensor([[scale, 0.0, float(shift[0])], [0.0, scale, float(shift[1])]]).to(pictures)
    grid = F.affine_grid(turn.expand(len(pictures), -1, -1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _length(targets: object) -> int:
    return len(targets) if hasattr(targets, "__len__") else 1


def _moved(classes: Tensor | None, like: Tensor) -> Tensor | None:
    return None if classes is None else classes.to(like.device)
