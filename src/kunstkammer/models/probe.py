"""The guard of a checkpoint from elsewhere: its image processor and ours, compared on a few small pictures.

`models/processors.py` says what a processor does by reading its settings. Whether that is true is measured each time a
checkpoint is opened, so that a class that changes with a release of `transformers` is refused and not misread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from kunstkammer.errors import ModelError
from kunstkammer.models.environment import quiet_transformers
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.processors import kind_of
from kunstkammer.pictures.plate import plate_of

MOST = 1 / 255
"""The largest difference allowed, in units of the pixel from 0 to 1 (before the deviation divides it)."""
_ROUNDING = 1e-3 / 255
_SHARES = ((0.4, 0.9), (1.3, 0.8), (0.31, 0.17))
"""Height and width of the probes, as shares of the input's: smaller and larger, lying and upright."""


def check_geometry(processor: Any, geometry: PictureGeometry, name: str) -> None:
    """Raise `ModelError` where a processor and `geometry`, which was read off it, prepare a picture differently."""
    for probe in _probes(geometry):
        try:
            with quiet_transformers():
                theirs = processor(probe, return_tensors="pt")["pixel_values"]
        except (ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"{kind_of(processor)}, the image processor of {name}, fails: {reason}") from error
        ours = prepared(probe, geometry)
        if ours.shape[1] == 1:
            theirs = theirs[:, :1]
        if ours.shape != theirs.shape:
            raise ModelError(
                f"{kind_of(processor)}, the image processor of {name}, gives {tuple(theirs.shape[1:])} for a picture "
                f"of {probe.height} x {probe.width}, not {tuple(ours.shape[1:])} as its settings were read."
            )
        worst = difference(ours, theirs, geometry)
        if not worst <= MOST + _ROUNDING:
            raise ModelError(
                f"{kind_of(processor)}, the image processor of {name}, prepares a picture of {probe.height} x "
                f"{probe.width} otherwise than its settings were read: by {worst * 255:.1f} grey levels, at most 1 is "
                "allowed. This version of transformers treats them in a way that is not known here."
            )


def prepared(image: Image.Image, geometry: PictureGeometry) -> torch.Tensor:
    """Return the model's input (1, C, H, W) for a picture: what every prediction does once it has been decoded."""
    plate = plate_of(image.convert("L") if geometry.plate.grey else image.convert("RGB"), geometry.plate.look())
    return geometry.prepare(torch.from_numpy(np.array(plate))[None])


def difference(ours: torch.Tensor, theirs: torch.Tensor, geometry: PictureGeometry) -> float:
    """Return the largest difference of two inputs, in units of the pixel from 0 to 1."""
    unit = torch.tensor(geometry.std, dtype=torch.float64).abs() / abs(255 * geometry.scale)
    unit = unit.flip(0) if geometry.flip else unit
    return float(((ours.double() - theirs.double()).abs() * unit.view(1, -1, 1, 1)).max())


def _probes(geometry: PictureGeometry) -> Iterator[Image.Image]:
    """Yield pictures with slopes, edges and noise; grey ones for grey plates."""
    rng = np.random.default_rng(0)
    for rows, columns in _SHARES:
        height, width = (
            max(3, int(share * side) | 1) for share, side in zip((rows, columns), geometry.input_size, strict=True)
        )
        y, x = np.mgrid[:height, :width]
        slopes = np.stack([x * 255 // width, y * 255 // height, (x // 5 + y // 7) % 2 * 255], axis=-1)
        pixels = np.clip(slopes + rng.integers(-40, 41, slopes.shape), 0, 255).astype(np.uint8)
        image = Image.fromarray(pixels)
        if geometry.plate.grey:  # a processor of one number takes grey pictures, all others three equal channels
            mean = geometry.origin.get("image_mean")
            alone = isinstance(mean, list | tuple) and len(mean) == 1
            image = image.convert("L") if alone else image.convert("L").convert("RGB")
        yield image
