"""The augmentation that turns pictures into drawings."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from kunstkammer import registry
from kunstkammer.pictures.augmentation import Draws, Local, Probability, Range
from kunstkammer.pictures.cartoon import MOST_STRENGTH, cartoonify
from kunstkammer.registry import register


@register("augmentations", "cartoonify", "Turn the picture into a drawing of a random preset, with a probability.")
class Cartoonify(Local):
    """Draw the picture by one of the `presets`, with a `strength` drawn from its range (0 unchanged, 1 a drawing).

    Dear beside the other augmentations (some 30 ms a picture of 224 pixels on one core); as a preparation it is done
    once.
    """

    probability: Probability = 0.5
    presets: tuple[str, ...] = Field(("comic", "flat"), min_length=1)
    strength: Annotated[Range, BeforeValidator(lambda v: (v, v) if isinstance(v, (int, float)) else v)] = (0.5, 1.0)

    @model_validator(mode="after")
    def _possible(self) -> Cartoonify:
        if self.strength[0] < 0 or self.strength[1] > MOST_STRENGTH:
            raise ValueError(f"the strength of a cartoon must lie in 0..{MOST_STRENGTH}")
        for preset in self.presets:
            registry.get("cartoons", preset)
        return self

    def apply(self, pixels: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chance(self.probability)
        strengths = draws.uniform(*self.strength)
        which = (draws.uniform() * len(self.presets)).long().clamp(max=len(self.presets) - 1)
        for row in torch.nonzero(chosen).flatten().tolist():
            whole = pixels[row : row + 1].mul(255).round_().clamp_(0, 255).to(torch.uint8)
            preset, strength = self.presets[int(which[row])], min(float(strengths[row]), self.strength[1])
            pixels[row] = cartoonify(whole, preset, strength=strength)[0].to(pixels.dtype) / 255
        return pixels
