"""How a checkpoint wants its pictures: the plate's geometry, the input size and the normalisation.

An image processor of `transformers` resizes, crops, rescales and normalises. Here the same is split in two: the *plate*
(uint8, decoded and scaled once, kept) and what is left for each batch (central crop, rescaling, normalisation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kunstkammer.data.plates import PlateSettings
from kunstkammer.errors import ModelError

BILINEAR = 2


@dataclass(frozen=True)
class PictureGeometry:
    """From a picture to a model's input.

    Args:
        plate: the plate that is kept (size, grey or colour, how the picture is fitted into it).
        input_size: (height, width) of what the model sees; the centre of the plate where it is smaller.
        channels: the channels that the model takes, 1 or 3; a grey plate is repeated for a model that takes 3.
        mean, std: normalisation per channel, for values from 0 to 1.
        scale: what a uint8 value is multiplied with first, usually 1/255.
    """

    plate: PlateSettings
    input_size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1 / 255

    def crop(self, plates: Tensor) -> Tensor:
        """Return the central part of `plates` (N, C, H, W) that the model sees."""
        height, width = self.input_size
        top, left = (plates.shape[-2] - height) // 2, (plates.shape[-1] - width) // 2
        return plates[..., top : top + height, left : left + width]

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return the model's input for float pixels from 0 to 1 of shape (N, 1 or 3, H, W)."""
        pixels = self.crop(pixels)
        if self.channels == 3 and pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        if self.scale != 1 / 255:
            pixels = pixels * (255 * self.scale)
        if not any(self.mean) and all(deviation == 1 for deviation in self.std):
            return pixels.contiguous(memory_format=torch.channels_last)
        mean = torch.tensor(self.mean, dtype=torch.float32, device=pixels.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, dtype=torch.float32, device=pixels.device).view(1, -1, 1, 1)
        return torch.addcdiv(-mean / std, pixels, std).contiguous(memory_format=torch.channels_last)

    def prepare(self, plates: Tensor) -> Tensor:
        """Return the model's input (float32, channels last in memory) for uint8 plates (N, 1 or 3, H, W)."""
        return self.normalise(self.crop(plates).to(torch.float32).div_(255))

    def to_processor(self) -> dict[str, Any]:
        """Return the `preprocessor_config.json` of an image processor of `transformers` that does the same."""
        three = 3 if len(self.mean) == 1 else 1
        common = {
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": list(self.mean * three),
            "image_std": list(self.std * three),
            "resample": BILINEAR,
            "rescale_factor": self.scale,
        }
        height, width = self.input_size
        if self.plate.fit == "squash":
            size = {"height": height, "width": width}
            return {"image_processor_type": "ViTImageProcessor", "size": size, **common}
        return {
            "image_processor_type": "BitImageProcessor",
            "size": {"shortest_edge": min(self.plate.height, self.plate.width)},
            "do_center_crop": True,
            "crop_size": {"height": height, "width": width},
            **common,
        }

    @classmethod
    def from_processor(cls, processor: Mapping[str, Any], *, channels: int, grey: bool, name: str) -> PictureGeometry:
        """Read an image processor's settings; raise `ModelError` where they ask for what plates cannot give."""
        fit, plate, seen = _sizes(processor, name)
        plate_settings = PlateSettings(height=plate[0], width=plate[1], grey=grey, fit=fit)
        mean, std = (0.0,) * channels, (1.0,) * channels
        if processor.get("do_normalize", True):
            mean = _channels(processor.get("image_mean", (0.5, 0.5, 0.5)), channels)
            std = _channels(processor.get("image_std", (0.5, 0.5, 0.5)), channels)
        rescales = processor.get("do_rescale", True)
        scale = float(processor.get("rescale_factor", 1 / 255)) if rescales else 1.0
        return cls(plate_settings, seen, channels, mean, std, scale)


def _channels(values: Sequence[float] | float, channels: int) -> tuple[float, ...]:
    """Return one value a channel: a grey model takes the first of three."""
    given = (values,) * channels if isinstance(values, int | float) else tuple(float(v) for v in values)
    return given[:channels] if len(given) >= channels else given * channels


def _pair(size: Mapping[str, Any] | int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping):
        return int(size["height"]), int(size["width"])
    return int(size[0]), int(size[1])


def _sizes(processor: Mapping[str, Any], name: str) -> tuple[Any, tuple[int, int], tuple[int, int]]:
    """Return how the picture is fitted, the plate's (height, width) and the input's (height, width)."""
    size = processor.get("size") or {}
    size = {"height": size, "width": size} if isinstance(size, int) else {k: v for k, v in size.items() if v}
    crop = processor.get("crop_size") if processor.get("do_center_crop") else None
    if isinstance(crop, Mapping):
        crop = {k: v for k, v in crop.items() if v}
    if "height" in size and "width" in size:
        plate = _pair(size)
        seen = _pair(crop) if crop else plate
        return "squash", plate, (min(seen[0], plate[0]), min(seen[1], plate[1]))
    if "shortest_edge" in size:
        edge = int(size["shortest_edge"])
        seen = _pair(crop) if crop else (edge, edge)
        if processor.get("crop_pct") and not crop:  # ConvNeXt's way: enlarge by 1 / crop_pct, keep the centre
            edge = int(edge / float(processor["crop_pct"]))
        edge = max(edge, *seen)
        return "crop", (edge, edge), seen
    raise ModelError(
        f"The image processor of {name} does not say a fixed picture size (its size is {dict(size)}); "
        "give its preprocessor_config.json a size with height and width."
    )
