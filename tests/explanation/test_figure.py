"""From a map over the model's input to a figure over the original picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.errors import ModelError, ResourceError
from kunstkammer.explanation import figure
from kunstkammer.pictures.framing import Framing
from kunstkammer.pictures.scale import fit_picture

SIZES = st.integers(40, 300)


@settings(max_examples=60, deadline=None)
@given(height=SIZES, width=SIZES, fit=st.sampled_from(["squash", "pad", "crop"]), row=st.floats(0.3, 0.7))
def test_a_place_in_the_picture_is_found_again(height: int, width: int, fit: str, row: float) -> None:
    # A white spot on black goes through fit_picture as the model's pixels do, and its brightness back as a map.
    top, left = int(row * height), int(0.5 * width)
    spot = max(4, min(height, width) // 8)
    picture = np.zeros((height, width), np.uint8)
    picture[top : top + spot, left : left + spot] = 255
    plate = np.asarray(fit_picture(Image.fromarray(picture), (96, 64), fit), dtype=np.float32)
    back = figure.to_picture(plate, (height, width), Framing(96, 64, fit))
    assert back.shape == (height, width)
    seen = figure.to_picture(np.ones((96, 64), np.float32), (height, width), Framing(96, 64, fit))
    expected = picture * (seen > 0)
    if expected.sum() == 0:
        return
    cell = max(height / 96, width / 64)
    for axis in (0, 1):
        places = np.arange((height, width)[axis])
        middle = [float((places * values.sum(axis=1 - axis)).sum() / values.sum()) for values in (back, expected)]
        assert abs(middle[0] - middle[1]) <= cell


def test_squash_covers_the_whole_picture() -> None:
    assert np.allclose(figure.to_picture(np.full((4, 4), 3.0), (10, 30), Framing(4, 4)), 3.0)


def test_pad_cuts_the_border_off() -> None:
    heat = np.zeros((100, 100))
    heat[:25], heat[75:] = 9.0, 9.0  # a wide picture stands in rows 25 to 75
    assert np.allclose(figure.to_picture(heat, (100, 200), Framing(100, 100, "pad")), 0.0)


def test_crop_leaves_what_was_not_seen_at_nothing() -> None:
    back = figure.to_picture(np.ones((50, 50)), (100, 200), Framing(50, 50, "crop"))
    assert np.allclose(back[:, 50:150], 1.0)
    assert not back[:, :50].any()
    assert not back[:, 150:].any()


def test_the_centre_of_a_plate() -> None:
    back = figure.to_picture(np.ones((224, 224), np.float32), (512, 512), Framing(256, 256, "crop"))
    assert back.dtype == np.float32
    assert np.allclose(back[34:478, 34:478], 1.0)
    assert not back[:30].any()
    assert not back[:, -30:].any()


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ModelError, match=r"one map \(h, w\), not \(1, 4, 4\)"):
        figure.to_picture(np.zeros((1, 4, 4)), (8, 8), Framing(4, 4))
    with pytest.raises(ModelError, match="larger than its plate"):
        figure.to_picture(np.zeros((9, 9)), (8, 8), Framing(8, 8))
    with pytest.raises(ModelError, match=r"\(C, H, W\)"):
        figure.to_heat(np.zeros((4, 4)))


def test_channels_are_summed_with_their_sign() -> None:
    assert figure.to_heat(torch.tensor([[[1.0]], [[-3.0]]])).tolist() == [[-2.0]]


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))


def test_a_caption_stands_under_the_picture(image: Image.Image) -> None:
    heat = np.eye(12)
    plain = figure.explain_picture(image, heat)
    assert plain.size == image.size
    right = figure.explain_picture(image, heat, truth="Manga", prediction="Manga")
    wrong = figure.explain_picture(image, heat, truth="Manga", prediction="Comic")
    unknown = figure.explain_picture(image, heat, prediction="Comic")
    assert all(one.width == 160 and one.height > 120 for one in (right, wrong, unknown))
    assert len({one.tobytes() for one in (right, wrong, unknown)}) == 3


def test_many_pictures_share_one_meaning_of_colour(image: Image.Image) -> None:
    positive, signed = np.eye(12), np.eye(12) - 0.5
    both = figure.explain_pictures([image, image], [positive, signed], truths=["a", "b"], predictions=["a", "a"])
    assert (
        both[0].tobytes() == figure.explain_picture(image, positive, truth="a", prediction="a", signed=True).tobytes()
    )
    with pytest.raises(ValueError, match="zip"):
        figure.explain_pictures([image], [positive, signed])


def test_methods_stand_side_by_side(image: Image.Image) -> None:
    heats = {"grad-cam": [np.eye(12)] * 2, "gradient": [np.eye(12) - 0.5] * 2}
    sheet = figure.compare_methods([image, image], heats, captions=["PRED: a", "PRED: b"], cell=100)
    assert sheet.width >= 3 * 100
    assert sheet.height >= 2 * 100
    many = figure.compare_methods([image], {f"method {n}": [np.eye(12)] for n in range(20)}, cell=100)
    assert many.width < 9 * 120, "twenty methods stand in three tables of seven"
    assert many.height > 3 * 75
    with pytest.raises(ModelError, match="1 maps for 2 pictures"):
        figure.compare_methods([image, image], {"grad-cam": [np.eye(12)]})


def test_a_map_is_saved_as_picture_and_as_numbers(image: Image.Image, tmp_path: Path) -> None:
    heat = np.random.default_rng(0).normal(size=(120, 160)).astype(np.float32)
    png, array = figure.save_map(tmp_path / "Seite 1.größe.jpg", heat, image)
    assert (png.name, array.name) == ("Seite 1.größe.jpg.png", "Seite 1.größe.jpg.npy")
    assert np.array_equal(np.load(array, allow_pickle=False), heat)
    assert np.array_equal(np.asarray(Image.open(png)), np.asarray(image))
    assert sorted(p.name for p in tmp_path.iterdir()) == [array.name, png.name]


def test_a_disk_that_refuses_is_named(image: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="file"):
        figure.save_map(tmp_path / "file" / "map", np.eye(3), image)
