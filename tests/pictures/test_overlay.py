"""Heat maps over pictures, captions, sheets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from kunstkammer.pictures.overlay import _table, caption, contact_sheet, heat_image, lightness, overlay, side_by_side
from kunstkammer.pictures.sheet import headed_table
from tests.pictures.picture_files import scene


def hill(height: int = 7, width: int = 7, at: tuple[float, float] = (0.25, 0.25), sign: float = 1.0) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return sign * np.exp(-(((y / (height - 1) - at[0]) ** 2) + (x / (width - 1) - at[1]) ** 2) / 0.05)


def moved(result: Image.Image, image: Image.Image) -> np.ndarray:
    """How far each pixel is from what it was."""
    return np.abs(np.asarray(result, dtype=float) - np.asarray(image.convert("RGB"), dtype=float)).sum(axis=2)


class TestOverlay:
    @pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
    @pytest.mark.parametrize("shape", [(7, 7), (3, 9), (200, 300), (1, 1)])
    @pytest.mark.parametrize("signed", [False, True])
    def test_size_and_mode(self, mode: str, shape: tuple[int, int], signed: bool) -> None:
        heat = np.random.default_rng(0).normal(size=shape)
        result = overlay(scene(100, 60).convert(mode), heat, signed=signed)
        assert result.mode == "RGB"
        assert result.size == (100, 60)

    def test_strong_places_are_coloured_and_weak_ones_left(self) -> None:
        image = Image.new("RGB", (140, 140), "white")
        change = moved(overlay(image, hill(), contour=0), image)
        assert change[35, 35] > 150
        assert change[120, 120] == 0

    def test_the_picture_stays_to_be_seen(self) -> None:
        y, x = np.mgrid[0:80, 0:80]
        drawing = Image.fromarray((((x // 4 + y // 4) % 2) * 255).astype(np.uint8))
        result = np.asarray(overlay(drawing, hill(), opacity=0.5, contour=0).convert("L"), dtype=float)
        assert result[:40, :40].std() > 0.45 * np.asarray(drawing, dtype=float)[:40, :40].std()

    def test_opacity(self) -> None:
        image = scene(90, 90)
        assert moved(overlay(image, hill(), opacity=0, contour=0), image).max() == 0
        faint, strong = (moved(overlay(image, hill(), opacity=o, contour=0), image).mean() for o in (0.2, 0.8))
        assert strong == pytest.approx(4 * faint, rel=0.1)

    def test_red_speaks_for_and_blue_against(self) -> None:
        heat = hill(at=(0.25, 0.25)) + hill(at=(0.75, 0.75), sign=-1)
        pixels = np.asarray(overlay(Image.new("RGB", (80, 80), "white"), heat, signed=True, contour=0), dtype=int)
        assert pixels[20, 20, 0] > pixels[20, 20, 2] + 40
        assert pixels[60, 60, 2] > pixels[60, 60, 0] + 40

    @pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
    def test_a_constant_map_shows_nothing(self, value: float) -> None:
        image = scene()
        assert moved(overlay(image, np.full((7, 7), value)), image).max() == 0

    def test_the_scale_of_the_values_does_not_matter(self) -> None:
        image = scene(60, 60)
        for factor in (1e-30, 1e30, 1e100):
            assert moved(overlay(image, hill() * factor), overlay(image, hill())).max() <= 3

    def test_a_line_encloses_the_top_share(self) -> None:
        image = Image.new("RGB", (400, 400), "white")
        heat = hill(40, 40, at=(0.5, 0.5))
        with_line, without = overlay(image, heat, contour=0.2), overlay(image, heat, contour=0)
        line = moved(with_line, without) > 200
        rows, columns = np.flatnonzero(line.any(axis=1)), np.flatnonzero(line.any(axis=0))
        radius = np.sqrt(0.2 / np.pi) * 400
        assert rows[-1] - rows[0] == pytest.approx(2 * radius, abs=12)
        assert columns[-1] - columns[0] == pytest.approx(2 * radius, abs=12)
        assert line.mean() < 0.03

    def test_a_grainy_map_gets_no_line(self) -> None:
        heat = np.random.default_rng(0).random((60, 60))
        image = scene(240, 240)
        assert moved(overlay(image, heat), overlay(image, heat, contour=0)).max() == 0

    @settings(max_examples=60, deadline=None)
    @given(
        hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(width=64)),
        st.booleans(),
    )
    def test_any_numbers_at_all(self, heat: np.ndarray, signed: bool) -> None:
        assert overlay(scene(30, 20), heat, signed=signed).size == (30, 20)

    def test_mistakes(self) -> None:
        for heat in (np.zeros(4), np.zeros((1, 4, 4)), np.zeros((0, 3))):
            with pytest.raises(ValueError, match="two dimensions"):
                overlay(scene(), heat)
        with pytest.raises(ValueError, match="opacity"):
            overlay(scene(), hill(), opacity=2)


class TestHeatImage:
    def test_size_is_height_and_width(self) -> None:
        assert heat_image(hill(), (30, 50)).size == (50, 30)

    def test_brighter_is_stronger(self) -> None:
        ramp = np.linspace(0, 1, 50)[None].repeat(5, axis=0)
        light = np.asarray(heat_image(ramp, (5, 50)).convert("L"), dtype=int)[2]
        assert (np.diff(light) >= -1).all()
        assert light[-1] - light[0] > 120

    def test_signed_is_pale_at_zero(self) -> None:
        ramp = np.linspace(-1, 1, 51)[None].repeat(5, axis=0)
        pixels = np.asarray(heat_image(ramp, (5, 51), signed=True), dtype=int)[2]
        assert pixels[25].min() > 235
        assert pixels[-1, 0] > pixels[-1, 2] + 50
        assert pixels[0, 2] > pixels[0, 0] + 50


class TestCaption:
    def test_the_picture_is_untouched_and_the_strip_is_below(self) -> None:
        image = scene(200, 100)
        result = caption(image, "GT: Manga; PRED: Manga")
        assert result.width == 200
        assert 115 < result.height < 140
        assert moved(result.crop((0, 0, 200, 100)), image).max() == 0
        strip = np.asarray(result.crop((0, 100, 200, result.height)).convert("L"))
        assert strip.min() < 80
        assert np.median(strip) == 255

    def test_umlauts_are_letters_of_their_own(self) -> None:
        image = Image.new("RGB", (100, 10))
        drawn = [np.asarray(caption(image, text)).tobytes() for text in ("a", "ä", "ß", "\U0001fbf0")]
        assert len(set(drawn)) == 4

    def test_marks(self) -> None:
        image = Image.new("RGB", (200, 10))
        good, bad, none = (np.asarray(caption(image, "x", good=g), dtype=int)[10:] for g in (True, False, None))
        assert ((good[..., 1] - good[..., 0]) > 80).sum() > 10
        assert ((bad[..., 0] - bad[..., 1]) > 120).sum() > 10
        assert np.ptp(none, axis=2).max() < 10
        assert ((good < 200).any(axis=2) != (bad < 200).any(axis=2)).any()

    def test_long_text_is_wrapped_then_cut(self) -> None:
        image = Image.new("RGB", (200, 10))
        heights = [caption(image, "word " * n).height for n in (1, 12, 40, 400)]
        assert heights[0] < heights[1] < heights[2] == heights[3]

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=80), st.integers(1, 300), st.sampled_from([True, False, None]))
    def test_any_text_on_any_width(self, text: str, width: int, good: bool | None) -> None:
        result = caption(Image.new("L", (width, 5)), text, good=good)
        assert result.width == max(width, 96)
        assert result.height > 15


class TestSheets:
    def test_side_by_side(self) -> None:
        images = [scene(40, 30), scene(20, 50).convert("L")]
        assert side_by_side(images, gap=6).size == (66, 50)
        assert side_by_side(images, gap=6, height=60).size == (80 + 6 + 24, 60)
        with pytest.raises(ValueError, match="no picture"):
            side_by_side([])

    def test_contact_sheet(self) -> None:
        images = [scene(40 + n, 30) for n in range(5)]
        assert contact_sheet(images, 3, cell=100, gap=4).size == (3 * 104 + 4, 2 * 104 + 4)
        with_words = contact_sheet(images, 3, [f"page {n}" for n in range(5)], goods=[True] * 5, cell=100, gap=4)
        assert with_words.height > 2 * 104 + 4 + 2 * 15
        assert contact_sheet(images, 9, cell=10, gap=0).size == (50, 10)
        with pytest.raises(ValueError, match="5 pictures, but 1 captions"):
            contact_sheet(images, 3, ["one"])


class TestColours:
    def test_both_maps_go_in_even_steps_of_lightness(self):
        for signed in (False, True):
            light = lightness(_table(signed) / 255)
            halves = (light[:256], light[255:][::-1]) if signed else (light,)
            for half in halves:
                steps = np.diff(half[::15])
                assert (steps > 0).all()
                assert steps.max() < 1.35 * steps.min()

    def test_neither_sign_looks_stronger(self):
        light = lightness(_table(True) / 255)
        assert np.abs(light - light[::-1]).max() < 1

    def test_a_faded_picture_is_pale_and_grey(self):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
        faded = np.asarray(overlay(image, np.zeros((4, 4)), fade=1.0), dtype=float)
        assert faded.min() >= 127
        assert np.ptp(faded, axis=2).max() == 0
        with pytest.raises(ValueError, match="fade"):
            overlay(image, np.zeros((4, 4)), fade=2)


def test_a_table_with_heads():
    tiles = [Image.new("RGB", size, "red") for size in ((80, 40), (40, 80), (200, 100))]
    sheet = headed_table([tiles, tiles], ["", "grad-cam", "gradient"], ["one", "two\nlines"], cell=100)
    assert sheet.width == 10 + 3 * 110
    assert sheet.height > 2 * 100
    assert np.asarray(sheet)[:5].min() > 200, "heads stand on the pictures"
    with pytest.raises(ValueError, match="each of the 2 heads"):
        headed_table([tiles], ["a", "b"])
    with pytest.raises(ValueError, match="1 rows, but 2 captions"):
        headed_table([tiles], ["a", "b", "c"], ["one", "two"])
