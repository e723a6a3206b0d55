"""Slight changes: each does what its name says, a little more at each level, the same by the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from kunstkammer.pictures import strokes
from kunstkammer.registry import entries, get

CHANGES = [entry.thing for entry in entries("changes")]


def drawing(side: int = 96, mode: str = "RGB", ink: int = 20, paper: int = 235) -> np.ndarray:
    """A face in thin lines with one black area: uint8 (C, H, W)."""
    image = Image.new("L", (side, side), paper)
    pen = ImageDraw.Draw(image)
    s = side / 96
    pen.ellipse([20 * s, 16 * s, 76 * s, 80 * s], outline=ink, width=2)
    pen.arc([36 * s, 50 * s, 60 * s, 68 * s], 20, 160, fill=ink, width=2)
    for x in (38, 54):
        pen.ellipse([x * s, 36 * s, (x + 7) * s, 42 * s], outline=ink, width=2)
    pen.rectangle([2 * s, 84 * s, 94 * s, 94 * s], fill=ink)
    pixels = np.asarray(image.convert(mode))
    return pixels[None].copy() if mode == "L" else pixels.transpose(2, 0, 1).copy()


def apply(name: str, plate: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    return get("changes", name).apply(plate, level, np.random.default_rng(seed))


def darkness(plate: np.ndarray) -> float:
    return float(255 - plate.mean())


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.name)
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("side", [64, 128])
def test_every_change_keeps_shape_and_type_and_grows_with_its_level(change, mode, side):
    plate = drawing(side, mode)
    kept = plate.copy()
    sizes = []
    for level in change.levels:
        found = [change.apply(plate, level, np.random.default_rng(seed)) for seed in range(8)]
        assert all(f.shape == plate.shape and f.dtype == np.uint8 for f in found)
        assert np.array_equal(found[0], change.apply(plate, level, np.random.default_rng(0)))
        sizes.append(np.mean([np.abs(f.astype(int) - plate).mean() for f in found]))
    assert np.array_equal(plate, kept), "the plate itself was written over"
    assert sizes[0] > 0
    assert sizes == sorted(sizes)


def test_lines_grow_thicker_and_thinner_by_about_a_pixel_on_each_side():
    plate = np.full((1, 128, 128), 255, dtype=np.uint8)
    plate[:, :, 60:64] = 0
    widths = [
        darkness(apply(name, plate, level)) * 128 / 255
        for name, level in (("thinner-lines", 1), ("thinner-lines", 0.5), ("thicker-lines", 0.5), ("thicker-lines", 1))
    ]
    assert widths == pytest.approx([2, 3, 5, 6], abs=0.05)


def test_sizes_follow_the_side_of_the_plate():
    small, large = (np.full((1, side, side), 255, dtype=np.uint8) for side in (128, 256))
    small[:, :, 60:64] = 0
    large[:, :, 120:128] = 0
    assert darkness(apply("thicker-lines", large, 1)) == pytest.approx(darkness(apply("thicker-lines", small, 1)))


def test_a_shift_moves_by_a_pixel_at_least_and_repeats_the_border():
    plate = np.zeros((1, 16, 16), dtype=np.uint8)
    plate[0, 8, 8] = 255
    row, column = np.argwhere(apply("shift", plate, 0.02)[0])[0]
    assert 1 <= abs(row - 8) + abs(column - 8) <= 2
    edge = np.tile(np.arange(16, dtype=np.uint8)[:, None] * 10, (1, 1, 16))
    for seed in range(8):
        rows = apply("shift", edge, 0.2, seed)[0, :, 0]
        assert set(rows) <= set(edge[0, :, 0])
        assert (np.diff(rows.astype(int)) >= 0).all()


def test_a_turn_there_and_back_is_nearly_the_same():
    plate = drawing(96)
    there = get("changes", "turn").apply(plate, 5, np.random.default_rng(0))
    back = [get("changes", "turn").apply(there, 5, np.random.default_rng(seed)) for seed in range(8)]
    inner = (slice(None), slice(20, 76), slice(20, 76))
    apart = min(float(np.abs(b[inner].astype(int) - plate[inner]).mean()) for b in back)
    assert apart < 12 < np.abs(there[inner].astype(int) - plate[inner]).mean()


def test_jpeg_is_what_pillow_writes():
    import io

    plate = drawing(48, "L")
    file = io.BytesIO()
    Image.fromarray(plate[0]).save(file, "JPEG", quality=40)
    assert np.array_equal(apply("jpeg", plate, 40)[0], np.asarray(Image.open(file)))


class TestErasedStrokes:
    def test_the_lines_are_found_and_the_black_area_is_none(self):
        plate = drawing(96, "L", ink=0, paper=255)
        lines = strokes.find(plate)
        ink = plate[0] < 128
        assert (lines & ink[: len(ink)])[:82].sum() > 0.9 * ink[:82].sum()
        assert not lines[86:93, 6:90].any()

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_only_strokes_are_changed_and_to_the_tone_beside_them(self, mode):
        plate = drawing(96, mode)
        found = apply("erased-strokes", plate, 0.2)
        altered = (found != plate).any(axis=0)
        near = ndimage.binary_dilation(strokes.find(plate), np.ones((3, 3), dtype=bool))
        assert altered.any()
        assert not (altered & ~near).any()
        assert (found[:, altered] == 235).all()

    @pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
    def test_about_so_much_goes_in_pieces_that_hang_together(self, share):
        plate = drawing(128, "L")
        lines = strokes.find(plate)
        gone = lines & (apply("erased-strokes", plate, share)[0] > 128) & (plate[0] < 128)
        assert share * 0.8 < gone.sum() / lines.sum() < share + 0.15
        pieces, count = ndimage.label(gone, np.ones((3, 3)))
        assert count <= 12
        assert np.bincount(pieces.ravel())[1:].max() > 10

    def test_a_line_between_two_areas_leaves_their_border_where_it_was(self):
        plate = np.full((1, 64, 64), 90, dtype=np.uint8)
        plate[:, :, 32:] = 220
        plate[:, :, 31:33] = 0
        found = plate
        for seed in range(30):
            found = apply("erased-strokes", found, 0.2, seed)
        assert set(np.unique(found[0, :, :31])) <= {90}
        assert set(np.unique(found[0, :, 34:])) <= {220}

    @pytest.mark.parametrize("value", [0, 128, 255])
    def test_blank_paper_is_left_as_it_is(self, value):
        plate = np.full((3, 40, 40), value, dtype=np.uint8)
        assert apply("erased-strokes", plate, 0.2) is plate

    def test_lines_everywhere_leave_no_tone_to_take(self):
        plate = np.zeros((1, 24, 24), dtype=np.uint8)
        plate[:, ::2, ::2] = 255
        assert apply("erased-strokes", plate, 0.2).shape == plate.shape
