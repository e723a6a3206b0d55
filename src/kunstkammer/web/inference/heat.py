"""A heat map as a picture that a page lays over the visitor's own: a PNG with transparency, of the same proportions."""

from __future__ import annotations

from io import BytesIO

from kunstkammer.explanation.projection import to_picture
from kunstkammer.pictures.heat import heat_layer
from kunstkammer.pictures.plate import PlateSettings
from kunstkammer.web.inference.engines import Floats

MOST_PIXELS = 768
"""Of the longer side: more shows nothing that a network of a few hundred pixels has seen."""


def heat_png(heat: Floats, picture_size: tuple[int, int], plate: PlateSettings) -> bytes:
    """Return a PNG of the proportions of `picture_size` = (height, width), in the colours of all other heat maps.

    heat: (h, w) over the model's input, the centre of its plate.
    """
    scale = min(1.0, MOST_PIXELS / max(picture_size))
    size = (max(1, round(picture_size[0] * scale)), max(1, round(picture_size[1] * scale)))
    signed = bool((heat < 0).any())
    layer = heat_layer(to_picture(heat, size, plate.framing), size, signed=signed)
    file = BytesIO()
    layer.save(file, "PNG")
    return file.getvalue()
