"""Grad-CAM of a real ImageNet MobileNetV2 on photographs: the heat lies on the animal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kunstkammer.explanation import explain, find_layer
from kunstkammer.explanation.figure import to_heat, to_picture
from kunstkammer.models.run import Run, open_run
from kunstkammer.pictures.read import read_picture
from kunstkammer.pictures.scale import fit_picture, to_tensor

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
WEIGHTS, PHOTOS = SHARED / "weights" / "mobilenet_v2_1.0_224", SHARED / "data" / "photos"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (WEIGHTS.is_dir() and PHOTOS.is_dir()), reason="no real weights or photographs in ../shared"
    ),
]

# file -> label, and the box (left, top, right, bottom) around the thing as shares of the picture
THINGS = {
    "cat_720p.jpg": ("Egyptian cat", (0.12, 0.10, 0.72, 1.0)),
    "hot_dog.jpg": ("hotdog", (0.10, 0.18, 0.95, 0.75)),
    "owl.jpg": ("ruffed grouse", (0.30, 0.02, 0.66, 0.85)),
    "parrot.jpg": ("macaw", (0.15, 0.10, 0.95, 0.95)),
}


@pytest.fixture(scope="module")
def checkpoint() -> Run:
    return open_run(WEIGHTS)


@pytest.mark.parametrize("file", THINGS)
def test_the_heat_lies_on_the_thing(file: str, checkpoint: Run) -> None:
    label, (left, top, right, bottom) = THINGS[file]
    settings = checkpoint.plate_settings
    plate_size = (settings.height, settings.width)
    picture = read_picture(PHOTOS / file)
    pixels = checkpoint.prepare(to_tensor([fit_picture(picture, plate_size, settings.fit)]))
    assert find_layer(checkpoint.model, pixels) == "mobilenet_v2.conv_1x1"
    relevance = explain(checkpoint.model, pixels, label)
    heat = to_picture(to_heat(relevance[0]), (picture.height, picture.width), settings.framing)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert top <= row / picture.height <= bottom
    assert left <= column / picture.width <= right
    rows = slice(int(top * picture.height), int(bottom * picture.height))
    columns = slice(int(left * picture.width), int(right * picture.width))
    box = (bottom - top) * (right - left)
    share = float(heat[rows, columns].sum() / heat.sum())
    assert share > max(0.5, 1.3 * box) or share > 0.85
