"""Scaling to one size, and the way to tensors and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from kunstkammer.errors import RecipeError
from kunstkammer.pictures.read import read_picture
from kunstkammer.pictures.scale import Fit, decoded_side, fit_picture, to_image, to_tensor
from tests.pictures.picture_files import encoded, scene

REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "comic_manga"
sides = st.integers(1, 60)


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def by_transformers(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    processor = ViTImageProcessorPil(
        size={"height": size[0], "width": size[1]}, resample=2, do_rescale=False, do_normalize=False
    )
    pixels = np.asarray(processor(image.convert("RGB"), return_tensors="np")["pixel_values"][0])
    return Image.fromarray(pixels.transpose(1, 2, 0).round().astype(np.uint8))


def test_squash_is_what_transformers_does() -> None:
    image = Image.effect_noise((301, 203), 80).convert("RGB")
    assert difference(fit_picture(image, (96, 128)), by_transformers(image, (96, 128))) == 0


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real pages in ../shared/data/comic_manga")
def test_a_page_decoded_at_a_fraction_is_within_a_grey_level_of_one_decoded_whole() -> None:
    for path in sorted(REAL.glob("*/*.jpg"))[::40]:
        with Image.open(path) as whole:
            expected = by_transformers(whole, (120, 120)).convert("L")
        quick = fit_picture(read_picture(path, grey=True, at_least=decoded_side((120, 120))), (120, 120))
        assert difference(quick, expected) < 1


def test_a_large_jpeg_decoded_at_a_fraction_is_within_a_grey_level_of_one_decoded_whole() -> None:
    y, x = np.mgrid[0:1500, 0:1100]
    tone = ((x % 7 < 3) ^ (y % 5 < 2)) * 200 + (x + y) % 56  # screen tone: the hardest there is to scale
    data = encoded(Image.fromarray(tone.astype(np.uint8)), "jpeg", quality=95)
    quick = read_picture(data, grey=True, at_least=decoded_side((120, 90)))
    assert quick.size == (550, 750)
    assert difference(fit_picture(quick, (120, 90)), fit_picture(read_picture(data, grey=True), (120, 90))) < 1


def test_pad_keeps_the_aspect_in_the_middle_of_white() -> None:
    pixels = np.asarray(fit_picture(Image.new("L", (40, 20), 0), (30, 30), "pad"))
    rows = np.flatnonzero((pixels == 0).all(axis=1))
    assert rows.tolist() == list(range(7, 22))
    assert set(np.delete(pixels, rows, axis=0).ravel()) == {255}


def test_crop_keeps_the_middle() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    pixels = np.asarray(fit_picture(image, (10, 10), "crop"))
    assert (pixels[:, 2:-2] == (0, 0, 255)).all()


@settings(max_examples=80, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from(["squash", "pad", "crop"]), st.sampled_from(["RGB", "L"]))
def test_every_fit_gives_the_size_and_keeps_a_plain_picture_plain(
    width: int, height: int, new_height: int, new_width: int, fit: Fit, mode: str
) -> None:
    fitted = fit_picture(Image.new(mode, (width, height), "white"), (new_height, new_width), fit)
    assert fitted.mode == mode
    assert fitted.size == (new_width, new_height)
    assert set(np.asarray(fitted).ravel()) == {255}


def test_extreme_shapes() -> None:
    for size in ((5000, 1), (1, 5000)):
        for fit in ("squash", "pad", "crop"):
            assert fit_picture(Image.new("L", size), (16, 16), fit).size == (16, 16)


def test_an_unknown_fit_is_named() -> None:
    with pytest.raises(RecipeError, match=r"no fit 'squish'. Did you mean 'squash'\?"):
        fit_picture(scene(), (4, 4), "squish")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_there_and_back(mode: str) -> None:
    images = [scene().convert(mode), scene().rotate(180).convert(mode)]
    pixels = to_tensor(images)
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (2, len(mode), 32, 48)
    assert all(difference(to_image(one), image) == 0 for one, image in zip(pixels, images, strict=True))


def test_only_like_pictures_make_a_tensor() -> None:
    for images in ([], [scene(), scene(8, 8)], [scene(), scene().convert("L")], [scene().convert("CMYK")]):
        with pytest.raises(ValueError, match="one size"):
            to_tensor(images)
    with pytest.raises(ValueError, match="uint8"):
        to_image(torch.zeros(3, 4, 4))
