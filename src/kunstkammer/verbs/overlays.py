"""Pictures with the heat map of a model's decision laid over them, for the report and for `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.data.collection import Collection
    from kunstkammer.models.checkpoint import Checkpoint

SHOWN_PIXELS = 640
"""Pictures are opened for showing at about this size; JPEG is then decoded scaled down, which is quicker."""


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


def explained(
    checkpoint: Checkpoint,
    collection: Collection,
    indices: Sequence[int],
    method: str,
    target: int | str | None = None,
    *,
    at_least: int | None = SHOWN_PIXELS,
) -> list[Explained]:
    """Explain the model's decision on the pictures at `indices` of a collection, for scene models with their text.

    Args:
        checkpoint: the model.
        collection: where the pictures are; those at `indices` must be readable.
        indices: places in the collection.
        method: a registered explainer.
        target: the label to explain; the predicted one where not given.
        at_least: open the pictures at this size or above, where that is quicker; None for their full size.
    """
    import torch

    from kunstkammer.data.plates import make_plate
    from kunstkammer.explanation import explain
    from kunstkammer.explanation.figure import to_heat, to_picture
    from kunstkammer.models.scene import Told
    from kunstkammer.pictures.overlay import overlay

    if not len(indices):
        return []
    settings = checkpoint.plate_settings
    plates = [make_plate(collection.source(i), settings, name=collection.files[i]) for i in indices]
    pixels = checkpoint.prepare(torch.from_numpy(np.stack(plates)))
    texts = checkpoint.extras(collection).get("text_features")
    if texts is None:
        maps = explain(checkpoint.model, pixels, target=target, method=method).float().cpu()
    else:  # one at a time, each with its own text
        told = [(row[None], Told(checkpoint.model, texts[[i]])) for row, i in zip(pixels, indices, strict=True)]
        maps = torch.cat([explain(model, row, target=target, method=method).float().cpu() for row, model in told])
    signed = bool((maps < 0).any())
    found = []
    for i, heat_map in zip(indices, maps, strict=True):
        heat = to_heat(heat_map)
        picture = collection.open(i, at_least=at_least)
        size = (picture.height, picture.width)
        shown = to_picture(heat, size, settings.fit, plate_size=(settings.height, settings.width))
        found.append(Explained(picture, heat, overlay(picture, shown, signed=signed)))
    return found
