"""The one safe way in: what is read, how it looks, and what is said when it cannot be read."""

from __future__ import annotations

import io
import os
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from kunstkammer.errors import PictureError
from kunstkammer.pictures.read import FORMATS, SUFFIX_FORMATS, SUFFIXES, picture_format, picture_size, read_picture
from tests.pictures.picture_files import bomb, encoded, grey_tiff, one_of_each, png, png_chunk, scene

EXAMPLES = one_of_each()
LOSSLESS = ["PNG", "WEBP lossless", "TIFF", "TIFF LZW", "BMP"]


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def cause_of(source: str | Path | bytes, **options: object) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message == f"{caught.value.file}: {caught.value.cause}"
    return caught.value.cause


class TestFormats:
    @pytest.mark.parametrize("kind", EXAMPLES)
    @pytest.mark.parametrize("grey", [False, True])
    def test_every_format_gives_an_eight_bit_picture(self, kind: str, grey: bool) -> None:
        picture = read_picture(EXAMPLES[kind], grey=grey)
        assert picture.mode == ("L" if grey else "RGB")
        assert picture.size == picture_size(EXAMPLES[kind])
        assert not hasattr(picture, "fp")

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test_the_format_is_told_from_the_content(self, kind: str) -> None:
        assert picture_format(EXAMPLES[kind]) == kind.split(maxsplit=1)[0]

    @pytest.mark.parametrize("kind", LOSSLESS)
    def test_lossless_formats_keep_every_pixel(self, kind: str) -> None:
        assert difference(read_picture(EXAMPLES[kind]), scene()) == 0

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG CMYK"])
    def test_lossy_formats_stay_near(self, kind: str) -> None:
        assert difference(read_picture(EXAMPLES[kind]), scene()) < 8

    def test_a_wrong_suffix_does_not_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "really-png.jpg"
        path.write_bytes(EXAMPLES["PNG"])
        assert difference(read_picture(path), scene()) == 0
        assert picture_format(path) == "PNG"
        assert SUFFIX_FORMATS[path.suffix] == "JPEG"

    def test_suffixes_name_known_formats(self) -> None:
        assert set(SUFFIX_FORMATS.values()) == set(FORMATS)
        assert all(suffix in SUFFIXES and suffix == suffix.lower() for suffix in SUFFIX_FORMATS)

    def test_names_with_umlauts_spaces_and_emoji(self, tmp_path: Path) -> None:
        path = tmp_path / ("Käthe läuft 🏺 " + "x" * 180 + ".png")
        path.write_bytes(EXAMPLES["PNG"])
        assert read_picture(str(path)).size == (48, 32)

    def test_the_first_frame_of_several_is_read(self) -> None:
        first, second = Image.new("P", (8, 8), 0), Image.new("P", (8, 8), 1)
        for frame in (first, second):
            frame.putpalette([255, 0, 0, 0, 0, 255])
        data = encoded(first, "gif", save_all=True, append_images=[second])
        assert read_picture(data).getpixel((3, 3)) == (255, 0, 0)

    def test_a_jpeg_with_several_pictures_gives_the_first(self) -> None:
        data = encoded(scene(), "mpo", save_all=True, append_images=[Image.new("RGB", (48, 32))])
        assert picture_format(data) == "JPEG"
        assert difference(read_picture(data), scene()) < 8


class TestModes:
    def test_transparency_is_laid_over_white(self) -> None:
        half = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
        half.putpixel((1, 0), (0, 0, 0, 0))
        picture = read_picture(encoded(half, "png"))
        assert picture.getpixel((0, 0)) == (255, 127, 127)
        assert picture.getpixel((1, 0)) == (255, 255, 255)

    @pytest.mark.parametrize("grey", [False, True])
    def test_grey_with_alpha(self, grey: bool) -> None:
        picture = read_picture(encoded(Image.new("LA", (2, 2), (0, 0)), "png"), grey=grey)
        assert set(np.asarray(picture).ravel()) == {255}

    def test_a_transparent_palette_entry_is_white(self) -> None:
        image = Image.new("P", (2, 1), 0)
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        picture = read_picture(encoded(image, "png", transparency=0))
        assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (40, 50, 60)]

    @pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 7, 7))])
    def test_a_transparent_colour_is_white(self, mode: str, key: object) -> None:
        data = encoded(Image.new(mode, (2, 2), key), "png", transparency=key)
        assert set(np.asarray(read_picture(data)).ravel()) == {255}

    @pytest.mark.parametrize("kind", ["png", "tiff"])
    def test_sixteen_bit_grey_is_scaled_not_clipped(self, kind: str) -> None:
        values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
        picture = read_picture(encoded(Image.fromarray(values), kind), grey=True)
        assert np.asarray(picture).tolist() == [[0, 1, 128, 255]]

    def test_sixteen_bit_tiff_of_either_byte_order(self) -> None:
        for order in "<>":
            data = grey_tiff(np.array([0, 32768, 65535], dtype=order + "u2").tobytes(), order, bits=16)
            assert np.asarray(read_picture(data, grey=True)).tolist() == [[0, 128, 255]]

    def test_sixteen_bit_tiff_where_zero_is_white(self) -> None:
        data = grey_tiff(np.array([0, 32768, 65535], dtype="<u2").tobytes(), "<", bits=16, zero_is_white=True)
        assert np.asarray(read_picture(data, grey=True)).tolist() == [[255, 127, 0]]

    def test_twelve_bit_tiff(self) -> None:
        packed = int(f"{0:012b}{2048:012b}{4095:012b}{0:04b}", 2).to_bytes(5, "big")
        data = grey_tiff(packed, "<", bits=12)
        assert np.asarray(read_picture(data, grey=True)).tolist() == [[0, 128, 255]]

    def test_sixteen_bit_colour_keeps_the_high_byte(self) -> None:
        line = np.array([[0x0000, 0x8000, 0xFFFF]], dtype=">u2").tobytes()
        assert read_picture(png(1, 1, depth=16, colour=2, pixels=b"\0" + line)).getpixel((0, 0)) == (0, 128, 255)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0.0, 0.5, 1.0], [0, 128, 255]),
            ([0.0, 100.0, 255.0], [0, 100, 255]),
            ([0.0, 32767.5, 65535.0], [0, 128, 255]),
            ([-10.0, 0.0, 10.0], [0, 128, 255]),
            ([float("nan"), 1.0, float("inf")], [0, 255, 0]),
            ([0.0, 0.0, 0.0], [0, 0, 0]),
        ],
    )
    def test_floats_are_scaled_by_what_they_hold(self, values: list[float], expected: list[int]) -> None:
        picture = read_picture(encoded(Image.fromarray(np.array([values], dtype=np.float32)), "tiff"), grey=True)
        assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 1

    def test_thirty_two_bit_integers(self) -> None:
        values = np.array([[0, 2**30, 2**31 - 1]], dtype=np.int32)
        picture = read_picture(encoded(Image.fromarray(values), "tiff"), grey=True)
        assert np.abs(np.asarray(picture).astype(int) - [0, 128, 255]).max() <= 1

    def test_one_bit(self) -> None:
        picture = read_picture(encoded(Image.new("1", (9, 3), 1), "png"))
        assert set(np.asarray(picture).ravel()) == {255}

    def test_cmyk_and_its_inversion_by_adobe_look_alike(self) -> None:
        # Pillow writes CMYK JPEG inverted with the Adobe marker, as Photoshop does.
        assert b"Adobe" in EXAMPLES["JPEG CMYK"]
        assert difference(read_picture(EXAMPLES["JPEG CMYK"]), scene()) < 8
        white = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
        assert read_picture(encoded(white, "tiff")).getpixel((0, 0)) == (255, 255, 255)

    def test_lab_tiff(self) -> None:
        picture = read_picture(encoded(Image.new("LAB", (2, 2), (255, 128, 128)), "tiff"))
        assert min(picture.getpixel((0, 0))) >= 250

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
    def test_grey_is_the_luma_of_the_colours(self, kind: str) -> None:
        direct = read_picture(EXAMPLES[kind], grey=True)
        assert difference(direct, read_picture(EXAMPLES[kind]).convert("L")) < 1

    def test_the_colour_profile_is_kept_beside_the_pixels(self) -> None:
        picture = read_picture(encoded(scene(), "png", icc_profile=b"a profile"))
        assert picture.info == {"icc_profile": b"a profile"}
        assert difference(picture, scene()) == 0


class TestOrientation:
    @pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_picture_comes_upright(self, kind: str, orientation: int) -> None:
        upright = scene(48, 32)
        undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
        stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
        exif = Image.Exif()
        exif[0x0112] = orientation
        lossless = {"webp": {"lossless": True}, "jpeg": {"quality": 95}}.get(kind, {})
        data = encoded(stored, kind, exif=exif, **lossless)
        assert picture_size(data) == (48, 32)
        assert difference(read_picture(data), upright) < 8

    def test_a_png_may_say_it_behind_the_pixels(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        data = encoded(scene(48, 32), "png")
        data = data[:-12] + png_chunk(b"eXIf", exif.tobytes()[6:]) + data[-12:]
        assert picture_size(data) == (32, 48) == read_picture(data).size

    @pytest.mark.parametrize(
        "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0" + bytes(range(60)), b"Exif\0\0MM\0*\xff\xff\xff\xff"]
    )
    @pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
    def test_broken_exif_does_not_hurt(self, kind: str, exif: bytes) -> None:
        data = encoded(scene(), kind, exif=exif)
        assert read_picture(data).size == picture_size(data) == (48, 32)

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_an_orientation_that_does_not_exist_is_upright(self, value: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = value
        assert read_picture(encoded(scene(), "jpeg", exif=exif)).size == (48, 32)


class TestDraft:
    @pytest.mark.parametrize(
        ("at_least", "size"), [(None, (800, 600)), (600, (800, 600)), (300, (400, 300)), (75, (100, 75))]
    )
    def test_a_jpeg_is_decoded_smaller_but_never_too_small(self, at_least: int | None, size: tuple[int, int]) -> None:
        data = encoded(scene(800, 600), "jpeg")
        assert read_picture(data, at_least=at_least).size == size
        assert picture_size(data) == (800, 600)

    def test_other_formats_are_decoded_whole(self) -> None:
        assert read_picture(encoded(scene(800, 600), "png"), at_least=10).size == (800, 600)

    @pytest.mark.parametrize("grey", [False, True])
    def test_both_sides_stay_long_enough_for_any_shape(self, grey: bool) -> None:
        for width, height in [(3000, 130), (129, 1031), (1040, 1039), (100, 100)]:
            picture = read_picture(encoded(scene(width, height), "jpeg"), at_least=128, grey=grey)
            assert min(picture.size) >= min(128, width, height)


class TestNotAPicture:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "empty file"),
            (b"only words, in a file named .jpg\n", "text"),
            ("Größe und Süße".encode(), "text"),
            (b"<!DOCTYPE html><html><body>404 not found</body></html>", "HTML"),
            (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
            (b'{"error": "rate limit"}', "JSON"),
            (b"PK\x03\x04" + bytes(40), "zip"),
            (b"\x80\x04\x95\x10\x00\x00\x00", "pickle"),
            (b"%PDF-1.7\n", "PDF"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
            (b"\x00\x00\x00\x18ftypheic" + bytes(20), "HEIC"),
            (b"8BPS\x00\x01", "Photoshop"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (bytes(1000), "zeros"),
            (bytes(range(128, 256)), "unknown data"),
        ],
    )
    def test_it_is_said_what_it_looks_like(self, data: bytes, said: str) -> None:
        assert said in cause_of(data)
        with pytest.raises(PictureError):
            picture_size(data)
        with pytest.raises(PictureError):
            picture_format(data)

    def test_decoders_beside_the_listed_ones_are_never_run(self) -> None:
        for kind in ("ppm", "tga", "pcx", "ico", "jpeg2000", "sgi", "eps", "im"):
            assert "not a picture" in cause_of(encoded(scene(), kind))


class TestPlaces:
    def test_missing(self, tmp_path: Path) -> None:
        assert cause_of(tmp_path / "no.png") == "no such file"

    def test_folder(self, tmp_path: Path) -> None:
        assert cause_of(tmp_path) == "a folder, not a picture"

    def test_broken_link(self, tmp_path: Path) -> None:
        link = tmp_path / "link.png"
        link.symlink_to("gone.png")
        assert cause_of(link) == "broken symbolic link (to gone.png)"

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        assert cause_of(tmp_path / "pipe.png") == "not a regular file"

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "secret.png"
        path.write_bytes(EXAMPLES["PNG"])

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)  # chmod does not keep root out
        assert cause_of(path) == "no permission to read it"

    def test_a_path_that_cannot_be(self) -> None:
        assert "null" in cause_of("a\0b.png")
        assert "name too long" in cause_of("x" * 5000 + ".png").lower()

    def test_the_error_calls_it_by_the_given_name(self, tmp_path: Path) -> None:
        for source, name, called in (
            (b"", None, "(bytes)"),
            (b"", "page 3", "page 3"),
            (tmp_path / "a", None, str(tmp_path / "a")),
        ):
            with pytest.raises(PictureError) as caught:
                read_picture(source, name=name)
            assert caught.value.file == called


class TestDamage:
    # The later part of these two is not needed for the first picture.
    @pytest.mark.parametrize(
        ("kind", "share"),
        [(k, s) for k in EXAMPLES for s in (0.3, 0.6, 0.8) if s < 0.5 or k not in ("TIFF JPEG", "GIF frames")],
    )
    def test_a_file_that_ends_early_is_an_error(self, kind: str, share: float) -> None:
        data = EXAMPLES[kind]
        assert any(word in cause_of(data[: int(len(data) * share)]) for word in ("truncated", "damaged"))

    def test_truncation_is_called_that(self) -> None:
        for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP"):
            cause = cause_of(EXAMPLES[kind][: len(EXAMPLES[kind]) // 2])
            assert cause == f"truncated {kind}: the file ends early"

    def test_a_picture_without_pixels(self) -> None:
        assert "damaged PNG" in cause_of(png(0, 5))


class TestBombs:
    @pytest.mark.parametrize("read", [read_picture, picture_size])
    def test_a_bomb_is_refused_at_once(self, read: object) -> None:
        data = bomb(50_000)
        assert len(data) < 10_000
        with pytest.raises(PictureError, match="too large: 50000 x 50000 pixels"):
            read(data)  # type: ignore[operator]

    def test_the_limit_can_be_set(self) -> None:
        assert "at most 1,000 are read" in cause_of(EXAMPLES["PNG"], max_pixels=1000)
        assert read_picture(EXAMPLES["PNG"], max_pixels=48 * 32).size == (48, 32)

    def test_the_limit_is_ours_not_pillows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert read_picture(EXAMPLES["PNG"]).size == (48, 32)

    @pytest.mark.parametrize("behind", [False, True])
    @pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP"])
    def test_long_texts_and_profiles_in_a_png_do_no_harm(self, kind: bytes, behind: bool) -> None:
        long = bytes(PngImagePlugin.MAX_TEXT_MEMORY + 10)
        packed = zlib.compress(long)
        content = {
            b"tEXt": b"key\0" + long,
            b"zTXt": b"key\0\0" + packed,
            b"iTXt": b"key\0\1\0\0\0" + packed,
            b"iCCP": b"key\0\0" + packed,
        }[kind]
        plain = png(2, 1, pixels=b"\0\x10\x20")
        at = len(plain) - 12 if behind else 33
        data = plain[:at] + png_chunk(kind, content) + plain[at:]
        assert np.asarray(read_picture(data, grey=True)).tolist() == [[0x10, 0x20]]


class TestManners:
    def test_pillows_warnings_do_not_leak(self) -> None:
        exif = (
            b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
        )  # five entries promised, one there
        data = encoded(scene(), "jpeg", exif=exif)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_picture(data)
            picture_size(data)

    def test_the_users_filters_are_left_as_they_were(self) -> None:
        before = list(warnings.filters)
        read_picture(EXAMPLES["JPEG exif"])
        cause_of(b"")
        assert list(warnings.filters) == before

    def test_many_threads_read_at_once(self, tmp_path: Path) -> None:
        before = list(warnings.filters)
        expected = {kind: np.asarray(read_picture(data)).tobytes() for kind, data in EXAMPLES.items()}
        wrong: list[str] = []

        def work() -> None:
            for kind, data in EXAMPLES.items():
                if np.asarray(read_picture(data)).tobytes() != expected[kind]:
                    wrong.append(kind)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert list(warnings.filters) == before

    def test_sizes_are_read_without_the_pixels(self) -> None:
        class Counting(io.BytesIO):
            taken = 0

            def read(self, size: int | None = -1, /) -> bytes:
                data = super().read(size)
                self.taken += len(data)
                return data

        import kunstkammer.pictures.read as module

        data = encoded(Image.effect_noise((1000, 1000), 90), "png")
        file = Counting(data)
        image = module._open("PNG", file)
        module._header_orientation(image)
        assert file.taken < len(data) / 20
