"""One affine for pixels and boxes: framing and augmentation move both alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.errors import RecipeError
from kunstkammer.pictures import framing as framing_module
from kunstkammer.pictures.augment import build_augmenter
from kunstkammer.pictures.detections import Detections
from kunstkammer.pictures.framing import Affine, Framing, central
from kunstkammer.pictures.plate import PlateSettings, make_plate

FRAMINGS = [
    Framing(64, 48),
    Framing(64, 48, "pad"),
    Framing(64, 48, "crop"),
    Framing(64, 64, "crop", "bicubic", edge=72),
    Framing(64, 64, "crop", "lanczos", edge=50, ground=0),
    Framing(64, 64, centre=0.875),
    Framing(64, 64, "pad", "gaussian", ground=0, corner=True),
    Framing(64, 48, "squash", "nearest"),
]


@pytest.mark.parametrize("framing", FRAMINGS, ids=str)
@settings(max_examples=25)
@given(height=st.integers(40, 300), width=st.integers(40, 300), seen=st.sampled_from([(40, 48), (33, 31)]))
def test_a_box_surrounds_in_the_plate_what_it_surrounded_in_the_picture(framing, height, width, seen):
    box = (width * 2 // 5, height * 2 // 5, width * 3 // 5, height * 3 // 5)
    pixels = np.full((height, width), 40, np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 220
    top, left = central(framing.size, seen)
    shown = np.asarray(framing.apply(Image.fromarray(pixels)))[top : top + seen[0], left : left + seen[1]]
    boxes = framing.affine((height, width), seen=seen).boxes([box], within=seen)
    rows, columns = np.nonzero((shown > 130) & (shown < 250))
    if not boxes:
        assert not len(rows)
    assume(len(rows))
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert boxes[0] == pytest.approx(edges, abs=1.01)


@settings(max_examples=60)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    rows=st.integers(1, 90),
    columns=st.integers(1, 90),
    fit=st.sampled_from(["squash", "pad", "crop"]),
    edge=st.sampled_from([0, 0, 20, 100]),
    resample=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
def test_there_and_back_and_always_the_size(height, width, rows, columns, fit, edge, resample):
    framing = Framing(rows, columns, fit, resample, edge=edge if fit == "crop" else 0)
    plate = framing.apply(Image.new("RGB", (width, height), "white"))
    assert plate.size == (columns, rows)
    assert set(np.asarray(plate).ravel()) == {255}
    affine = framing.affine((height, width))
    there = affine.then(affine.inverse()).points([(3.0, 5.0)])
    assert there[0].tolist() == pytest.approx([3.0, 5.0], abs=1e-6)


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
@pytest.mark.parametrize("size", [(300, 17), (17, 300), (381, 201), (40, 900)])
def test_a_long_strip_is_scaled_only_where_it_is_seen(resample, size, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    framing = Framing(64, 64, "crop", resample)
    whole = np.asarray(framing.apply(Image.fromarray(pixels))).astype(int)
    monkeypatch.setattr(framing_module, "_MOST_PIXELS", 0)
    part = np.asarray(framing.apply(Image.fromarray(pixels))).astype(int)
    assert abs(whole - part).max() <= 1


def test_a_strip_that_would_become_a_billion_pixels():
    assert Framing(224, 224, "crop", "bicubic", edge=256).apply(Image.new("RGB", (1, 20_000), "red")).size == (224, 224)


def test_what_an_affine_cannot_undo_and_what_a_framing_cannot_be():
    with pytest.raises(ValueError, match="no inverse"):
        Affine.scaling(0, 1).inverse()
    with pytest.raises(RecipeError, match="no filter 'bicubik'. Did you mean 'bicubic'"):
        PlateSettings(4, 4, resample="bicubik")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="'gaussian' goes with fit"):
        Framing(4, 4, "crop", "gaussian")


def test_every_field_changes_the_key_and_the_plate_follows(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 60, 3), dtype=np.uint8)).save(file)
    variants = [
        PlateSettings(32, 32),
        PlateSettings(32, 32, resample="bicubic"),
        PlateSettings(32, 32, centre=0.5),
        PlateSettings(32, 32, fit="crop"),
        PlateSettings(32, 32, fit="crop", edge=40),
        PlateSettings(32, 32, fit="crop", edge=20),
        PlateSettings(32, 32, fit="crop", edge=20, ground=0),
        PlateSettings(32, 32, fit="pad"),
        PlateSettings(32, 32, fit="pad", corner=True),
    ]
    assert len({variant.key for variant in variants}) == len(variants)
    assert len({make_plate(file, variant, "a").tobytes() for variant in variants}) == len(variants)


MOVES = [
    {"name": "horizontal-flip"},
    {"name": "vertical-flip"},
    {"name": "rotation", "degrees": 40, "fill": "black"},
    {"name": "zoom", "amount": 0.3, "keep_aspect": False, "fill": "black"},
    {"name": "shift", "fraction": 0.2, "fill": "black"},
    {"name": "shear", "degrees": 20, "fill": "black"},
    {"name": "crop", "fill": "black"},
    {"name": "resized-crop"},
]


@settings(max_examples=60)
@given(
    moves=st.lists(st.sampled_from(MOVES), min_size=1, max_size=4),
    seed=st.integers(0, 999),
    height=st.integers(40, 90),
    width=st.integers(40, 90),
)
def test_a_box_around_a_painted_rectangle_still_surrounds_it_after_the_change(moves, seed, height, width):
    box = (width // 3, height // 4, width // 3 + 15, height // 4 + 20)
    pixels = torch.zeros(3, 1, height, width, dtype=torch.uint8)
    pixels[:, :, box[1] : box[3], box[0] : box[2]] = 255
    augment = build_augmenter([*moves, {"name": "color-jitter"}])
    changed, boxes = augment.with_boxes(pixels, [Detections([box], ["thing"])] * 3, seed, visible=0)
    assert torch.equal(changed, augment(pixels, seed))
    for picture, own in zip(changed[:, 0].numpy(), boxes, strict=True):
        painted = picture > picture.max() * 0.5
        if picture.max() < 0.3:
            continue  # the rectangle has left the picture
        assert own.labels == ("thing",)
        assert own.size == (height, width)
        rows, columns = np.nonzero(painted)
        left, top, right, bottom = own.boxes[0]
        assert left - 1 <= columns.min()
        assert columns.max() <= right
        assert top - 1 <= rows.min()
        assert rows.max() <= bottom
        turning = {"rotation", "shear"} & {move["name"] for move in moves}
        if not turning:  # then the box is not only around it, but close
            found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert own.boxes[0] == pytest.approx(found, abs=1.5)


@settings(max_examples=40)
@given(
    moves=st.lists(st.sampled_from([*MOVES, "erasing", "erasing", "sharp"]), min_size=1, max_size=4),
    seed=st.integers(0, 999),
    visible=st.sampled_from([0.1, 0.25, 0.5, 0.9]),
)
def test_a_box_stays_where_enough_of_it_is_seen_and_goes_where_not(moves, seed, visible):
    # Where the rectangle lies whole before any change, its painted pixels say how much of it is left.
    side, box = 96, (30, 36, 62, 60)
    other = {
        "erasing": {"name": "erasing", "probability": 0.7, "scale": (0.05, 0.4)},
        "sharp": {"name": "color-jitter"},
    }
    augment = build_augmenter([other[move] if isinstance(move, str) else move for move in moves])
    pixels = torch.zeros(6, 1, side, side, dtype=torch.uint8)
    pixels[:, :, box[1] : box[3], box[0] : box[2]] = 255
    changed, boxes = augment.with_boxes(pixels, [Detections([box])] * 6, seed, visible=visible)
    assert torch.equal(changed, augment(pixels, seed)), "with boxes the pixels are the same"
    again = augment.with_boxes(pixels, [Detections([box])] * 6, seed, visible=visible)[1]
    assert again == boxes, "the same pixels and seed give the same boxes"
    _, whole = augment.with_boxes(torch.zeros_like(pixels), [Detections([box])] * 6, seed, visible=0)
    _, told = augment._changed(pixels, seed)
    if any(isinstance(move, str) and move == "sharp" for move in moves):
        return  # other colours: no counting
    for i, (picture, own) in enumerate(zip(changed[:, 0].double().numpy(), boxes, strict=True)):
        scale = 1.0
        for matrices, _ in told:
            scale /= 1.0 if matrices is None else abs(float(torch.linalg.det(matrices[i])))
        share = picture.sum() / (scale * (box[2] - box[0]) * (box[3] - box[1]))
        if share > visible + 0.08:
            assert len(own) == 1
            assert own.boxes[0] == pytest.approx(whole[i].boxes[0])
        if share < visible - 0.08:
            assert len(own) == 0


def test_what_lay_outside_from_the_first_does_not_count():
    pixels = torch.zeros(1, 3, 20, 20, dtype=torch.uint8)
    boxes = [Detections([(-90, 0, 10, 10), (30, 0, 40, 10), (5, 5, 5, 9)], ["overhangs", "outside", "empty"])]
    changed = build_augmenter([{"name": "horizontal-flip", "probability": 1}]).with_boxes(pixels, boxes, 0)[1][0]
    assert changed == Detections([(10, 0, 20, 10)], ["overhangs"], size=(20, 20))


def test_boxes_are_asked_for_each_picture():
    pixels = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="2 pictures, boxes of 1"):
        build_augmenter([]).with_boxes(pixels, [Detections()], 0)
    with pytest.raises(ValueError, match=r"Boxes of a picture of \(9, 9\) for pixels of \(4, 4\)"):
        build_augmenter([]).with_boxes(pixels, [Detections(), Detections(size=(9, 9))], 0)
    same = build_augmenter([]).with_boxes(pixels, [Detections([(0, 1, 2, 3)])] * 2, 0)[1]
    assert same == [Detections([(0, 1, 2, 3)], size=(4, 4))] * 2
