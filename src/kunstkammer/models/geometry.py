"""How a checkpoint wants its pictures: the plate's geometry, the input size and the normalisation.

An image processor of `transformers` resizes, crops, rescales and normalises. Here the same is split in two: the *plate*
(uint8, decoded and scaled once, kept) and what is left for each batch (central crop, rescaling, normalisation).
`models/processors.py` reads processors, `models/written.py` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from kunstkammer.data.plates import PlateSettings
from kunstkammer.models.processors import Reading, as_processor, read_processor
from kunstkammer.pictures.framing import Fit, Framing, central


@dataclass(frozen=True)
class PictureGeometry:
    """From a picture to a model's input.

    Args:
        plate: the plate that is kept (size, grey or colour, how the picture is laid into it).
        input_size: (height, width) of what the model sees; the centre of the plate where it is smaller.
        channels: the channels that the model takes, 1 or 3; a grey plate is repeated for a model that takes 3.
        mean, std: normalisation per channel, for values after rescaling.
        scale: what a uint8 value is multiplied with first, usually 1/255.
        flip: the model takes blue, green, red.
        origin: the settings of the image processor that this was read off, {} where it was not; no part of what is
            compared.
    """

    plate: PlateSettings
    input_size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1 / 255
    flip: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def crop(self, plates: Tensor) -> Tensor:
        """Return the central part of `plates` (N, C, H, W) that the model sees."""
        height, width = self.input_size
        top, left = central(plates.shape[-2:], self.input_size)
        return plates[..., top : top + height, left : left + width]

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return the model's input for float pixels from 0 to 1 of shape (N, 1 or 3, H, W)."""
        pixels = self.crop(pixels)
        if self.channels == 3 and pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        if self.scale != 1 / 255:
            pixels = pixels * (255 * self.scale)
        if any(self.mean) or any(deviation != 1 for deviation in self.std):
            mean = torch.tensor(self.mean, dtype=torch.float32, device=pixels.device).view(1, -1, 1, 1)
            std = torch.tensor(self.std, dtype=torch.float32, device=pixels.device).view(1, -1, 1, 1)
            pixels = torch.addcdiv(-mean / std, pixels, std)
        return (pixels.flip(1) if self.flip else pixels).contiguous(memory_format=torch.channels_last)

    def prepare(self, plates: Tensor) -> Tensor:
        """Return the model's input (float32, channels last in memory) for uint8 plates (N, 1 or 3, H, W)."""
        return self.normalise(self.crop(plates).to(torch.float32).div_(255))

    @property
    def reading(self) -> Reading:
        """The same as what an image processor does to a colour picture."""
        three = 3 if len(self.mean) == 1 else 1
        return Reading(self.plate.framing, self.input_size, self.mean * three, self.std * three, self.scale, self.flip)

    def resized(self, size: tuple[int, int] | None, fit: Fit | None) -> PictureGeometry:
        """Return the same with another input size or fit; what is not given stays, the filter and all numbers too."""
        height, width = size or self.input_size
        plate = self.plate
        if fit in (None, plate.fit) and plate.fit == "crop":  # the same share of the picture as before
            rows, columns = self.input_size
            edge = (plate.edge or min(plate.height, plate.width)) * min(height, width) / min(rows, columns)
            framing = _cropped(plate.framing, max(1, int(edge)), (height, width))  # as crop_pct rounds
        elif fit in (None, plate.fit):
            framing = replace(plate.framing, height=height, width=width)
        else:
            resample = "bilinear" if plate.resample == "gaussian" else plate.resample
            framing = Framing(height, width, fit or "squash", resample)
        return replace(self, plate=settings_of(framing, plate.grey), input_size=(height, width))

    def to_processor(self) -> dict[str, Any]:
        """Return the `preprocessor_config.json` of an image processor that does the same (`models/written.py`)."""
        from kunstkammer.models.written import written

        return written(self.reading, self.origin)

    @classmethod
    def from_processor(
        cls, processor: Mapping[str, Any] | Any, *, channels: int, grey: bool, name: str
    ) -> PictureGeometry:
        """Read an image processor or its settings; raise `ModelError` where it cannot be repeated, with the reason."""
        if isinstance(processor, Mapping):
            processor = as_processor(processor, name)
        found = read_processor(processor, name)
        return cls(
            settings_of(found.framing, grey),
            found.seen,
            channels,
            _channels(found.mean, channels),
            _channels(found.std, channels),
            found.scale,
            found.flip,
            processor.to_dict(),
        )


def settings_of(framing: Framing, grey: bool) -> PlateSettings:
    """Return the plates of a framing."""
    return PlateSettings(grey=grey, **{one.name: getattr(framing, one.name) for one in fields(framing)})


def _cropped(framing: Framing, edge: int, seen: tuple[int, int]) -> Framing:
    """Return "crop" with a shorter side of `edge`, of which `seen` is the middle (see `processors._Reader`)."""
    height, width = (side if edge < side else edge - (edge - side) % 2 for side in seen)
    same = height == width == edge
    ground = 0 if max(height, width) > edge else 255
    return replace(framing, height=height, width=width, edge=0 if same else edge, ground=ground)


def _channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return one value a channel: a grey model takes the first of three."""
    return values[:channels] if len(values) >= channels else values * channels
