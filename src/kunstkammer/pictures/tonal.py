"""Augmentations that change colours, hide parts or blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from kunstkammer.pictures.augmentation import Draws, Local, Probability, Range, Tonal
from kunstkammer.registry import register

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in ITU-R BT.601 luma, as in Pillow's mode "L"."""


def compose(steps: Sequence[Tonal], draws: Draws, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Join steps that stand in a row into one matrix (N, C, C) and offset (N, C) a picture."""
    means = pixels.mean(dim=(2, 3))
    channels = pixels.shape[1]
    matrix = torch.eye(channels, device=pixels.device).expand(len(pixels), channels, channels)
    offset = torch.zeros(len(pixels), channels, device=pixels.device)
    for step in steps:
        # The mean colour goes through the same change as every colour, so the pixels need not be touched in between.
        next_matrix, next_offset = step.tones(draws, means)
        matrix = next_matrix @ matrix
        offset = _times(next_matrix, offset) + next_offset
        means = _times(next_matrix, means) + next_offset
    return matrix, offset


def recolour(pixels: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Change every colour of float32 (N, C, H, W) to matrix @ colour + offset, kept within 0..1."""
    flat = torch.baddbmm(offset[:, :, None], matrix, pixels.reshape(*pixels.shape[:2], -1))
    return flat.clamp_(0, 1).reshape(pixels.shape)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[:, :, None])[:, :, 0]


def _factors(value: object) -> object:
    """A single number a stands for [max(0, 1 - a), 1 + a]."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a single number must not be negative")
        return (max(0.0, 1 - value), 1.0 + value)
    return value


def _turns(value: object) -> object:
    """A single number h stands for [-h, h]."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (-abs(value), abs(value))
    return value


def _not_negative(model: Any, *fields: str) -> None:
    for field in fields:
        if getattr(model, field)[0] < 0:
            raise ValueError(f"{field} must not be negative")


Factors = Annotated[Range, BeforeValidator(_factors)]
_ONE = (1.0, 1.0)
_RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


@register(
    "augmentations", "color-jitter", "Vary brightness, contrast, saturation and hue: each a number or [low, high]."
)
class ColorJitter(Tonal):
    """Vary brightness, contrast, saturation (factors; a is [1 - a, 1 + a]) and hue (turns; h is [-h, h], within 0.5).

    What is not named stays as it is; with nothing named, brightness, contrast and saturation vary by 0.2. Done in that
    order and cut to 0..1 once at the end. Contrast goes towards the mean luma, saturation towards the grey of each
    pixel, as in torchvision; hue turns the chroma plane of YIQ and so keeps the luma, where torchvision turns HSV.
    System B uses brightness [0.8, 1.2]. Grey pictures know brightness and contrast only.
    """

    brightness: Factors = _ONE
    contrast: Factors = _ONE
    saturation: Factors = _ONE
    hue: Annotated[Range, BeforeValidator(_turns)] = (0.0, 0.0)

    @model_validator(mode="before")
    @classmethod
    def _something(cls, data: Any) -> Any:
        return {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2} if data == {} else data

    @model_validator(mode="after")
    def _possible(self) -> ColorJitter:
        _not_negative(self, "brightness", "contrast", "saturation")
        if max(map(abs, self.hue)) > 0.5:
            raise ValueError("hue must lie within -0.5 and 0.5")
        return self

    def tones(self, draws: Draws, means: Tensor) -> tuple[Tensor, Tensor]:
        channels = means.shape[1]
        bright, contrast = draws.uniform(*self.brightness), draws.uniform(*self.contrast)
        saturation, hue = draws.uniform(*self.saturation), draws.uniform(*self.hue)
        middle = (means @ _luma(channels, means)) * bright * (1 - contrast)
        matrix = torch.eye(channels, device=means.device) * (bright * contrast)[:, None, None]
        offset = middle[:, None].expand(-1, channels)
        if channels == 3:
            colour = _turn_hue(hue) @ _saturate(saturation)
            matrix, offset = colour @ matrix, _times(colour, offset)
        return matrix, offset


@register("augmentations", "grey", "Take the colour away, with a probability.")
class Grey(Tonal):
    """Take the colour away. SimCLR uses probability 0.2 (Chen et al. 2020, appendix A)."""

    probability: Probability = 0.2

    def tones(self, draws: Draws, means: Tensor) -> tuple[Tensor, Tensor]:
        chosen = draws.chance(self.probability)
        if means.shape[1] == 1:
            matrix = torch.ones(len(means), 1, 1, device=means.device)
        else:
            matrix = _saturate(1 - chosen.float())
        return matrix, torch.zeros_like(means)


def _luma(channels: int, like: Tensor) -> Tensor:
    return like.new_tensor(LUMA) if channels == 3 else like.new_ones(1)


def _saturate(factor: Tensor) -> Tensor:
    """Return (N, 3, 3): factor 1 leaves the colours, 0 leaves their luma."""
    factor = factor[:, None, None]
    return factor * torch.eye(3, device=factor.device) + (1 - factor) * factor.new_tensor(LUMA).expand(3, 3)


def _turn_hue(turns: Tensor) -> Tensor:
    """Return (N, 3, 3) that turn the chroma (I, Q) of each colour by so many whole turns."""
    to_yiq = torch.tensor(_RGB_TO_YIQ, dtype=torch.float64)
    back = torch.linalg.inv(to_yiq).to(turns)
    angle = turns * (-2 * math.pi)  # so that red goes towards green, as in HSV
    turn = torch.zeros(len(turns), 3, 3, device=turns.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 2, 1] = angle.sin()
    turn[:, 1, 2] = -turn[:, 2, 1]
    return back @ turn @ to_yiq.to(turns)


@register("augmentations", "erasing", "Hide a random rectangle, with a probability.")
class Erasing(Local):
    """Hide a rectangle with `scale` of the area and a height-to-width ratio within `ratio` (Zhong et al. 2020).

    The defaults are those of torchvision; the paper takes scale 0.02..0.4, ratio 0.3..3.3 and noise.
    `value` is what is put there: 0 (black) to 1 (white), or "noise".
    """

    probability: Probability = 0.5
    scale: Range = (0.02, 0.33)
    ratio: Range = (0.3, 3.3)
    value: Annotated[float, Field(ge=0, le=1)] | Literal["noise"] = 0.0

    @model_validator(mode="after")
    def _possible(self) -> Erasing:
        if self.scale[0] < 0 or self.scale[1] > 1:
            raise ValueError("the scale of an erasing must lie in 0..1")
        if self.ratio[0] <= 0:
            raise ValueError("the ratio of an erasing must be above 0")
        return self

    def apply(self, pixels: Tensor, draws: Draws) -> Tensor:
        return self.apply_and_tell(pixels, draws)[0]

    def apply_and_tell(self, pixels: Tensor, draws: Draws) -> tuple[Tensor, Tensor | None]:
        _, _, height, width = pixels.shape
        chosen = draws.chance(self.probability)
        area = draws.uniform(*self.scale) * (height * width)
        ratio = draws.log_uniform(*self.ratio)
        top, bottom = _span(draws, (area * ratio).sqrt(), height)
        left, right = _span(draws, (area / ratio).sqrt(), width)
        bottom = torch.where(chosen, bottom, top)
        hidden = (_between(top, bottom, height)[:, :, None] & _between(left, right, width)[:, None, :])[:, None]
        boxes = torch.stack([left, top, right, bottom], dim=1)
        if self.value == "noise":
            return torch.where(hidden, draws.noise(tuple(pixels.shape)), pixels), boxes
        return pixels.masked_fill_(hidden, float(self.value)), boxes


def _span(draws: Draws, length: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return the start and the end (N,) of a stretch of `length` pixels that lies anywhere inside `side`."""
    length = length.round().clamp(max=side)
    start = (draws.uniform() * (side - length + 1)).floor().clamp(max=side - 1)
    return start, start + length


def _between(start: Tensor, end: Tensor, side: int) -> Tensor:
    """Return bool (N, side), true from each start up to its end."""
    place = torch.arange(side, device=start.device)[None, :]
    return (place >= start[:, None]) & (place < end[:, None])


@register("augmentations", "blur", "Blur with a Gaussian of random width, with a probability.")
class Blur(Local):
    """Blur with a Gaussian whose `sigma` (in pixels) is drawn for each picture.

    SimCLR uses sigma 0.1..2 for 224 pixels and probability 0.5 (Chen et al. 2020, appendix A).
    """

    probability: Probability = 0.5
    sigma: Annotated[Range, BeforeValidator(lambda v: (v, v) if isinstance(v, (int, float)) else v)] = (0.1, 1.5)

    @model_validator(mode="after")
    def _possible(self) -> Blur:
        if self.sigma[0] <= 0:
            raise ValueError("sigma must be above 0")
        if self.sigma[1] > 50:
            raise ValueError("sigma must be at most 50 pixels")
        return self

    def apply(self, pixels: Tensor, draws: Draws) -> Tensor:
        from kornia.filters import gaussian_blur2d  # heavy: loaded by those who blur

        chosen = draws.chance(self.probability)
        sigma = draws.uniform(*self.sigma)
        reach = math.ceil(3 * self.sigma[1])
        # A mirrored border is at most as wide as the picture.
        reach = min(reach, *(side - 1 for side in pixels.shape[-2:]))
        if reach < 1:
            return pixels
        blurred = gaussian_blur2d(pixels, (2 * reach + 1,) * 2, sigma[:, None].expand(-1, 2), border_type="reflect")
        return torch.where(chosen[:, None, None, None], blurred, pixels).clamp_(0, 1)
