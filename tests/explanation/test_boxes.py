"""Boxes: what a box encloses in the picture, it encloses in the model's input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kunstkammer.errors import DataError
from kunstkammer.explanation.boxes import boxes_of, share_covered, to_input
from kunstkammer.pictures.framing import Framing
from kunstkammer.pictures.scale import fit_picture


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
@pytest.mark.parametrize("size", [(120, 90), (90, 200), (64, 64)])  # height, width
@pytest.mark.parametrize("seen", [(64, 48), (60, 40)])
def test_a_box_goes_where_the_picture_goes(fit, size, seen):
    plate = (64, 48)
    left, top, right, bottom = size[1] * 0.4, size[0] * 0.45, size[1] * 0.7, size[0] * 0.8
    pixels = np.zeros(size, np.uint8)
    pixels[round(top) : round(bottom), round(left) : round(right)] = 255
    shown = np.asarray(fit_picture(Image.fromarray(pixels), plate, fit))
    y, x = (plate[0] - seen[0]) // 2, (plate[1] - seen[1]) // 2
    shown = shown[y : y + seen[0], x : x + seen[1]]
    if fit == "pad":
        inside = np.asarray(fit_picture(Image.fromarray(np.zeros(size, np.uint8)), plate, fit))
        shown = np.where(inside[y : y + seen[0], x : x + seen[1]] > 0, 0, shown)  # the white border is no box
    box = (round(left), round(top), round(right), round(bottom))
    [found] = to_input([box], size, Framing(*plate, fit=fit), seen)
    rows, columns = np.nonzero(shown > 127)
    assert found[0] == pytest.approx(columns.min(), abs=1.1)
    assert found[1] == pytest.approx(rows.min(), abs=1.1)
    assert found[2] == pytest.approx(columns.max() + 1, abs=1.1)
    assert found[3] == pytest.approx(rows.max() + 1, abs=1.1)


def test_what_lies_outside_is_left_out_and_what_overhangs_is_cut():
    boxes = [(0, 0, 10, 10), (40, 0, 160, 100)]  # of a picture 200 wide and 100 high; its centre is seen
    assert to_input(boxes, (100, 200), Framing(100, 100, "crop"), (100, 100)) == [(0.0, 0.0, 100.0, 100.0)]
    assert share_covered([], (4, 4)) == 0


def test_cells_of_the_column():
    nan = float("nan")
    cell = {"bbox": [[1, 2, 3, 4], [nan] * 4, [0, 0, 0, 5]], "categories": ["a", "b", "c"]}
    assert boxes_of(cell, "x.png") == [(1.0, 2.0, 4.0, 6.0)]
    assert boxes_of(cell, "x.png", ["b"]) == []
    assert boxes_of(None, "x.png") == []
    assert boxes_of({"bbox": [[1, 2, 3, 4]], "categories": []}, "x.png") == [(1.0, 2.0, 4.0, 6.0)]
    for strange in ({"bbox": [[1, 2]]}, "boxes", {"box": []}):
        with pytest.raises(DataError, match=r"x\.png: the column 'objects'"):
            boxes_of(strange, "x.png")
