"""What an augmentation is: a validated set of parameters, and one of three ways to act on a batch of pictures.

- `Geometric` says where each pixel comes from, as a 3 x 3 matrix a picture. Those that stand in a row are multiplied
  and the batch is sampled once, so that three turns cost and blur no more than one.
- `Tonal` says how each colour becomes another, as a matrix and an offset a picture. Those too are multiplied.
- `Local` does anything else to the pixels.

A new one is a class with its parameters and one method, under `@register("augmentations", name, summary)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor

Fill = Literal["edge", "white", "black", "reflect"]
"""What is seen beyond the border of a picture: its outermost pixels, white, black, or the picture mirrored."""

Probability = Annotated[float, Field(ge=0, le=1)]


def _ordered(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError("the first of [low, high] must not be above the second")
    return values


Finite = Annotated[float, Field(allow_inf_nan=False)]
Range = Annotated[tuple[Finite, Finite], AfterValidator(_ordered)]


class Draws:
    """The random numbers of one call, one a picture; drawn on the processor, so that every device sees the same."""

    def __init__(self, count: int, seed: int, device: torch.device) -> None:
        self.count = count
        self.device = device
        self._generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return float32 (N,), uniform in low..high."""
        return (torch.rand(self.count, generator=self._generator) * (high - low) + low).to(self.device)

    def log_uniform(self, low: float, high: float) -> Tensor:
        """Return float32 (N,), whose logarithm is uniform: 1/2 is as likely as 2."""
        bounds = torch.tensor([low, high]).log().tolist()
        return self.uniform(*bounds).exp().clamp(low, high)

    def chance(self, probability: float) -> Tensor:
        """Return bool (N,), each true with `probability`."""
        return self.uniform() < probability

    def noise(self, shape: tuple[int, ...]) -> Tensor:
        """Return float32 of `shape`, uniform in 0..1."""
        return torch.rand(shape, generator=self._generator).to(self.device)


class Augmentation(BaseModel):
    """Parameters of one augmentation. Unknown ones are refused, and a value cannot change after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Geometric(Augmentation, ABC):
    """An augmentation that moves pixels. A subclass has a `fill` field where it can look beyond the border."""

    always_inside: ClassVar[bool] = False
    """True where no pixel ever comes from beyond the border, so that the fill of the neighbours serves."""

    whole_pixels: ClassVar[bool] = False
    """True where every new pixel is an old one, so that nothing is blended."""

    @abstractmethod
    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        """Return float32 (N, 3, 3): from a place (x, y, 1) in the new picture to the place in the old one.

        Places are in pixels, (0, 0) is the centre of the picture, y points down.
        """


class Tonal(Augmentation, ABC):
    """An augmentation that changes each colour in the same way wherever it stands."""

    @abstractmethod
    def tones(self, draws: Draws, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return matrices (N, C, C) and offsets (N, C) for pictures (0..1) whose channel means are `means` (N, C)."""


class Local(Augmentation, ABC):
    """An augmentation that is neither."""

    @abstractmethod
    def apply(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Return the new float32 (N, C, H, W); `pixels` (0..1) may be written over and returned."""

    def apply_and_tell(self, pixels: Tensor, draws: Draws) -> tuple[Tensor, Tensor | None]:
        """Return what `apply` does, and what it hides of each picture: (N, 4), left, top, right, bottom in pixels.

        None where it hides nothing; an empty box where it hides nothing of one picture.
        """
        return self.apply(pixels, draws), None
