"""The plate of one picture: decoded and scaled once, as a model sees it before normalisation. No torch is needed.

`data/plates.py` makes those of a whole collection and keeps them.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import PIL
from PIL import Image

from kunstkammer.pictures.fixed_point import squash
from kunstkammer.pictures.framing import Fit, Framing, Resample
from kunstkammer.pictures.read import read_picture
from kunstkammer.pictures.torch_scale import squash_by_torch

PLATE_FORMAT = 5
"""Part of the store's key: raised whenever the values of plates change."""


_RARE = ("resample", "edge", "centre", "ground", "corner")
"""Fields of `PlateSettings` that its key names where they are not the usual ones."""


@dataclass(frozen=True)
class Look:
    """How to decode: everything that the values of plates and facts depend on beside the content.

    Plates are decoded at the full size, as `transformers` does. A JPEG decoded at a half is not a smaller copy of the
    whole: each is cut off at black and white for itself. Of coloured screen tone, plates then differ by up to 24 levels
    even where the half is 46 times as large as the plate, and of photographs by 2 where it is 5 times as large.

    Attributes:
        grey: decode the luma only.
        at_least: JPEG may be decoded smaller, as long as both sides keep this many pixels; None for the full size.
        framing: how the picture becomes a plate, or None when no plate is asked for.
        preparation: what is done to the plate then (`Preparation.key`), "" for nothing.
    """

    LEAST: ClassVar[int] = 128
    """Four times the thumbnail's side: what fingerprints need where there is no plate."""

    grey: bool
    at_least: int | None = None
    framing: Framing | None = None
    preparation: str = ""


@dataclass(frozen=True)
class PlateSettings:
    """What a plate is.

    Attributes:
        height, width: in pixels.
        grey: one channel (luma of ITU-R BT.601) instead of three (RGB).
        fit: "squash" changes the aspect, "pad" fills up with white, "crop" cuts off what overhangs.
        preparation: `Preparation.key` of what is done to the plate when it is made, "" for nothing.
        resample, edge, centre, ground, corner: as `Framing` has them; what checkpoints from elsewhere ask for.
    """

    height: int
    width: int
    grey: bool = False
    fit: Fit = "squash"
    preparation: str = ""
    resample: Resample = "bilinear"
    edge: int = 0
    centre: float = 0.0
    ground: int = 255
    corner: bool = False

    def __post_init__(self) -> None:
        _ = self.framing  # raises where it cannot be
        if self.preparation:
            from kunstkammer.pictures.preparation import from_key

            from_key(self.preparation)

    @cached_property
    def framing(self) -> Framing:
        """How a picture becomes the plate: the affine of pixels, heat maps and boxes."""
        rare = {name: getattr(self, name) for name in _RARE}
        return Framing(self.height, self.width, self.fit, **rare)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width).

        >>> PlateSettings(120, 90, grey=True).shape
        (1, 120, 90)
        """
        return (1 if self.grey else 3, self.height, self.width)

    @property
    def key(self) -> str:
        """Name what the values depend on beside the content; another Pillow or torch may give other values."""
        import torch

        tone = "grey" if self.grey else "rgb"
        size = f"{self.height}x{self.width}"
        versions = f"pillow{PIL.__version__}-torch{torch.__version__.partition('+')[0]}"
        rare = "".join(
            f"-{name}{value}"
            for name in _RARE
            if (value := getattr(self, name)) != type(self).__dataclass_fields__[name].default
        )
        plain = f"{PLATE_FORMAT}-{tone}-{size}-{self.fit}{rare}-{versions}"
        if not self.preparation:
            return plain
        from kunstkammer.pictures.preparation import PREPARATION_FORMAT

        name = hashlib.sha256(self.preparation.encode()).hexdigest()[:16]
        return f"{plain}-prepared{PREPARATION_FORMAT}-{name}"

    def look(self) -> Look:
        """Return how pictures are decoded for such plates."""
        return Look(grey=self.grey, framing=self.framing, preparation=self.preparation)


def make_plate(source: Path | bytes, settings: PlateSettings, name: str) -> np.ndarray:
    """Return the plate of one picture, uint8 (C, H, W), bit for bit the one that `make_plates` keeps.

    Raises `PictureError`.
    """
    look = settings.look()
    return plate_of(read_picture(source, grey=look.grey, name=name), look)


def plate_of(image: Image.Image, look: Look) -> np.ndarray:
    """Return the plate, uint8 (C, H, W) and contiguous, of a picture that was decoded in this way."""
    return prepared(plain_plate(image, look), look)


def prepared(plate: np.ndarray, look: Look) -> np.ndarray:
    """Return a plate after its preparation, uint8 (C, H, W) and contiguous."""
    plate = np.ascontiguousarray(plate)
    if not look.preparation:
        return plate
    import torch

    from kunstkammer.pictures.preparation import from_key

    prepare = from_key(look.preparation)
    return plate if prepare is None else prepare(torch.from_numpy(np.array(plate))[None])[0].numpy()


def plain_plate(image: Image.Image, look: Look) -> np.ndarray:
    """Return the plate before its preparation, uint8 (C, H, W), in any order in memory.

    Colours that are only squashed are scaled in whole numbers, whose values one in several hundred times are one level
    from Pillow's: by torch's kernel where it is there and quick (a third of Pillow's time), else in NumPy, bit for bit
    alike, so that a picture has one plate whoever makes it. Not where a side is less than twice the plate's: there
    the weights in whole numbers may be 2 levels from Pillow's, and such pictures are small.
    """
    framing = look.framing
    if framing is None:
        raise ValueError("This way of looking has no plate; give it a framing.")
    shrinks = image.height >= 2 * framing.height and image.width >= 2 * framing.width
    if image.mode == "RGB" and framing.plain and shrinks:
        if _torch_is_quick() and min(framing.size) > 1:
            return squash_by_torch(image, framing.size)
        return squash(np.asarray(image), framing.size)
    fitted = np.asarray(framing.apply(image))
    return fitted[None] if fitted.ndim == 2 else fitted.transpose(2, 0, 1)


def _torch_is_quick() -> bool:
    """Say whether torch has been imported by whoever needed it, on a processor for which it has the quick kernel."""
    backends = getattr(sys.modules.get("torch"), "backends", None)  # None too while another thread still imports it
    return backends is not None and backends.cpu.get_cpu_capability().startswith("AVX")
