"""Pictures with the heat map of a model's decision laid over them, for the report and for `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import PlateSettings
    from kunstkammer.models.run import Run

SHOWN_PIXELS = 640
"""Pictures are shown with a shorter side of at least this, where they have it, and less than twice this."""


@dataclass(frozen=True)
class Look:
    """A picture, decoded once for the model and for showing.

    Attributes:
        plate: uint8 (C, H, W), what the model sees.
        picture: for showing: RGB, scaled down by a whole factor where it is large.
    """

    plate: np.ndarray
    picture: Image.Image


@dataclass(frozen=True)
class Explained:
    """A picture and why the model said what it said.

    Attributes:
        picture: the picture, as opened.
        heat: float32 (h, w), the raw heat map over the model's input, signed where the method is signed.
        overlay: the heat map laid over the picture, in the picture's own geometry.
    """

    picture: Image.Image
    heat: np.ndarray
    overlay: Image.Image


def look_at(collection: Collection, index: int, settings: PlateSettings) -> Look:
    """Open a picture once; again only where the model wants it grey.

    The plate is bit for bit that of `make_plate`. Raises `PictureError`.
    """
    from kunstkammer.pictures.plate import plate_of

    look = settings.look()
    image = collection.open(index, grey=look.grey)
    plate = plate_of(image, look)
    if look.grey:
        image = collection.open(index, at_least=SHOWN_PIXELS)
    factor = min(image.size) // SHOWN_PIXELS
    return Look(plate, image.reduce(factor) if factor > 1 else image)


def relevance(
    checkpoint: Run,
    pixels: Tensor,
    method: str,
    target: Any = None,
    *,
    texts: Tensor | None = None,
    **options: Any,
) -> np.ndarray:
    """Return raw maps float32 (N, C, H, W) of a checkpoint for its input; scene models with the text of each picture.

    `options` as for `explanation.explain`, `texts` a row of text features a picture.
    """
    import torch

    from kunstkammer.explanation import explain
    from kunstkammer.models.scene import SceneWithText
    from kunstkammer.workflows.fit_patterns import pattern_options

    options = pattern_options(checkpoint, method, with_text=texts is not None) | options
    if texts is None:
        return explain(checkpoint.model, pixels, target, method, **options).float().cpu().numpy()
    each = target if isinstance(target, list) else [target] * len(pixels)
    maps = [  # one at a time, each with its own text
        explain(SceneWithText(checkpoint.model, texts[i : i + 1]), pixels[i : i + 1], one, method, **options)
        for i, one in enumerate(each)
    ]
    return torch.cat(maps).float().cpu().numpy()


def on_picture(checkpoint: Run, heat: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Return a map (h, w) over the model's input as one over the picture, in the picture's own geometry."""
    from kunstkammer.explanation.figure import to_picture

    return to_picture(heat, (picture.height, picture.width), checkpoint.plate_settings.framing)


def explained(
    checkpoint: Run,
    collection: Collection,
    indices: Sequence[int],
    method: str,
    target: int | str | None = None,
) -> list[Explained]:
    """Explain the model's decision on the pictures at `indices` of a collection, for scene models with their text.

    Args:
        checkpoint: the model.
        collection: where the pictures are; those at `indices` must be readable.
        indices: places in the collection.
        method: a registered explainer.
        target: the label to explain; the predicted one where not given.
    """
    import torch

    from kunstkammer.explanation.figure import lay, to_heat

    if not len(indices):
        return []
    looks = [look_at(collection, i, checkpoint.plate_settings) for i in indices]
    pixels = checkpoint.prepare(torch.from_numpy(np.stack([look.plate for look in looks])))
    rows = checkpoint.extras(collection).get("text_features")
    maps = relevance(checkpoint, pixels, method, target, texts=None if rows is None else rows[list(indices)])
    signed = bool((maps < 0).any())
    found = []
    for look, heat_map in zip(looks, maps, strict=True):
        heat = to_heat(heat_map)
        shown = on_picture(checkpoint, heat, look.picture)
        found.append(Explained(look.picture, heat, lay(look.picture, shown, signed)))
    return found
