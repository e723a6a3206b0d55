"""The one safe way in: a file or bytes -> one upright 8-bit picture, RGB or grey, or one `PictureError`.

What a file is, is decided by its first bytes, never by its suffix, and only the decoders named in `FORMATS` are ever
run. Sizes are checked before anything is decoded. Colour profiles are left as they are: that is what transformers'
image processors, and nearly every published training set, do, so that a checkpoint sees here the values that it
learned from; converting costs as much again as decoding a page and moves only pictures in wide colour spaces.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from kunstkammer.errors import PictureError
from kunstkammer.pictures.sniff import SNIFFED_BYTES, format_of, what_it_looks_like
from kunstkammer.pictures.tone import to_eight_bits

Source = str | os.PathLike[str] | bytes

MAX_PIXELS = 178_956_970
"""Half a GiB of decoded RGB: an A0 sheet at 300 dots per inch (139 million pixels) fits, a decompression bomb not."""

SUFFIX_FORMATS: dict[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}
"""The format that a suffix (lower case) promises, named as `picture_format` names it."""

SUFFIXES: frozenset[str] = frozenset(SUFFIX_FORMATS)
"""What counts as a picture file when a folder is looked through (lower case)."""

# The plugins themselves, not Image.open: that one asks Pillow's global pixel limit, guesses among further decoders, and
# would open a JPEG with several pictures through yet another plugin. (Typed loosely: Pillow's stubs differ by version.)
_OPENERS: dict[str, Callable[..., Any]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}

FORMATS: tuple[str, ...] = tuple(_OPENERS)
"""The formats that are read; all others are named in the error and never decoded."""

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(
    source: Source,
    *,
    grey: bool = False,
    at_least: int | None = None,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Read one picture, upright, 8 bits a channel, transparency laid over white, the first frame of several.

    Args:
        source: a path, or the bytes of the file.
        grey: give mode "L" (luma of ITU-R BT.601) instead of "RGB". From a JPEG only the luma is then decoded: about
            twice as fast, and within a grey level or two of decoding the colours first and weighing them after.
        at_least: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as both sides stay at least this long.
        name: what the error calls the picture; the path when not given.
        max_pixels: larger pictures (width x height as the header says) are refused before decoding.

    Returns:
        An image of mode "RGB" or "L" that holds its pixels and no open file; `info` holds at most the colour profile.

    Raises:
        PictureError: the file is missing, forbidden, empty, truncated, damaged, too large, or not a picture at all.

    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(file, "png")
    >>> picture = read_picture(file.getvalue())
    >>> picture.mode, picture.size, picture.getpixel((0, 0))
    ('RGB', (4, 2), (255, 255, 255))
    """
    with _opened(source, name, max_pixels) as image:
        if image.format == "JPEG":
            # Without a size, draft() only chooses the mode; Pillow ignores a mode that the file cannot give.
            image.draft("L" if grey else None, (at_least, at_least) if at_least else None)
        image = _loaded(image)
        turn = _TURNS.get(_orientation(image))
        profile = image.info.get("icc_profile")
        bits, inverted = _tiff_depth(image)
        if image.mode == ("L" if grey else "RGB") and "transparency" not in image.info:
            plain = image._new(image.im)  # the pixels without the file's other fields; convert() would copy them
        else:
            plain = to_eight_bits(image, grey=grey, bits=bits, inverted=inverted)
        if turn is not None:
            plain = plain.transpose(turn)
        plain.info = {"icc_profile": profile} if profile else {}
        return plain


def picture_size(source: Source, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return (width, height) of a picture as it is shown, that is after its EXIF orientation; only headers are read.

    Raises `PictureError` as `read_picture` does, except for damage in the pixels, which is not looked at.
    """
    with _opened(source, name, max_pixels) as image:
        width, height = image.size
        # Pillow gives the size of a TIFF as already turned.
        turned = image.format != "TIFF" and _header_orientation(image) >= 5
        return (height, width) if turned else (width, height)


def picture_format(source: Source, *, name: str | None = None) -> str:
    """Return "JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP" or "AVIF" by the first bytes; `PictureError` for all else."""
    label = _label(source, name)
    with _file(source, label) as file:
        return _format(file, label)


@contextlib.contextmanager
def _opened(source: Source, name: str | None, max_pixels: int) -> Iterator[Any]:
    """Yield the opened, not yet decoded picture; whatever goes wrong inside becomes one `PictureError`."""
    label = _label(source, name)
    with _file(source, label) as file, _quiet_pillow():
        kind = _format(file, label)
        try:
            file.seek(0)
            image = _open(kind, file)
            image.format = kind
            width, height = image.size
            if width < 1 or height < 1:
                raise PictureError(label, f"damaged {kind}: it says that it is {width} x {height} pixels large")
            if width * height > max_pixels:
                raise PictureError(label, f"too large: {width} x {height} pixels; at most {max_pixels:,} are read")
            yield image
        except PictureError:
            raise
        except Exception as error:  # a decoder may raise anything on bytes that were made to hurt it
            raise PictureError(label, _cause(kind, error, file)) from error


def _open(kind: str, file: IO[bytes]) -> Any:
    """Open with the plugin of one format. No file name is handed over, so Pillow never maps the file into memory."""
    try:
        return _OPENERS[kind](file)
    except ValueError:
        if kind != "PNG":
            raise
        return PngImagePlugin.PngImageFile(_without_remarks(file))


def _loaded(image: Any) -> Any:
    """Decode the pixels."""
    file = image.fp
    try:
        image.load()
    except ValueError:
        if image.format != "PNG":
            raise
        image = PngImagePlugin.PngImageFile(_without_remarks(file))
        image.load()
    return image


def _tiff_depth(image: Any) -> tuple[int, bool]:
    """Return the depth of a grey TIFF and whether 0 is white there: beyond 8 bits Pillow heeds neither."""
    if image.format != "TIFF" or not image.mode.startswith("I;16"):
        return 16, False
    bits = image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0]
    return (bits if bits in (12, 16) else 16), image.tag_v2.get(_PHOTOMETRIC) == 0


def _without_remarks(file: IO[bytes]) -> IO[bytes]:
    """Copy a PNG without its text, time and profile chunks.

    Pillow refuses a whole PNG because of a long text or colour profile, but its pixels do not depend on them.
    """
    file.seek(0)
    kept = [file.read(8)]
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"tIME"):
            file.seek(length + 4, os.SEEK_CUR)
        else:
            kept += [head, file.read(min(length + 4, _size_of(file)))]
    return io.BytesIO(b"".join(kept))


def _size_of(file: IO[bytes]) -> int:
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - here


def _label(source: Source, name: str | None) -> str:
    if name is not None:
        return name
    return "(bytes)" if isinstance(source, bytes) else os.fspath(source)


@contextlib.contextmanager
def _file(source: Source, label: str) -> Iterator[IO[bytes]]:
    """Open the source for reading, and say in plain words why that cannot be done."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        file = _regular_file(Path(source), label)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise PictureError(label, getattr(error, "strerror", None) or str(error)) from error
    with file:
        yield file


def _regular_file(path: Path, label: str) -> IO[bytes]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PictureError(label, "a folder, not a picture")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise PictureError(label, "not a regular file")
        return path.open("rb")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise PictureError(label, f"broken symbolic link (to {path.readlink()})") from error
        raise PictureError(label, "no such file") from error
    except PermissionError as error:
        raise PictureError(label, "no permission to read it") from error


def _format(file: IO[bytes], label: str) -> str:
    try:
        head = file.read(SNIFFED_BYTES)
    except OSError as error:
        raise PictureError(label, error.strerror or str(error)) from error
    kind = format_of(head)
    if kind is None:
        raise PictureError(label, what_it_looks_like(head))
    return kind


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation, 1..8. Broken EXIF says nothing about the pixels: it then counts as upright."""
    try:
        # Image.getexif, not the plugin's own: that of PNG would decode the picture to look behind the pixels.
        value = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - anything may be in there; the pixels are still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _header_orientation(image: ImageFile.ImageFile) -> int:
    """Return the orientation of a picture that is not decoded; in a PNG it may stand behind the pixels."""
    if image.format == "PNG" and image.fp is not None and "exif" not in image.info:
        file = image.fp
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                image.info["exif"] = b"Exif\x00\x00" + file.read(min(length, 1 << 20))
                break
            file.seek(length + 4, os.SEEK_CUR)
    return _orientation(image)


_TRUNCATED = re.compile(
    r"truncat|unexpected end|ends? early|end of (file|stream)|not enough|broken data stream|no data", re.I
)


def _cause(kind: str, error: Exception, file: IO[bytes]) -> str:
    """Say in a few words, on one line, what is wrong with a file of a format that is read."""
    if isinstance(error, MemoryError):
        return f"the machine has not enough memory to decode this {kind}"
    message = " ".join(str(error).split())[:120]
    if isinstance(error, EOFError) or _TRUNCATED.search(message) or (kind == "WEBP" and _webp_ends_early(file)):
        return f"truncated {kind}: the file ends early"
    return f"damaged {kind}: {message or type(error).__name__}"


def _webp_ends_early(file: IO[bytes]) -> bool:
    """The decoder of WebP does not say why it gives up, but the file says how long it should be."""
    file.seek(4)
    declared = file.read(4)
    return len(declared) == 4 and struct.unpack("<I", declared)[0] + 8 > _size_of(file)


# Pillow logs some damage that it also raises; without any handler Python would print that to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_quiet_lock = threading.Lock()
_quiet_depth = 0


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's own warnings (broken EXIF, odd tags) from the user while any thread reads a picture.

    warnings.catch_warnings swaps the whole list of filters and so is not safe among threads; here one filter is added
    by the first thread that comes and taken away by the last that goes.
    """
    global _quiet_depth  # noqa: PLW0603 - guarded by the lock
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _quiet_filter.append(warnings.filters[0])
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                added = _quiet_filter.pop()
                if added in warnings.filters:
                    warnings.filters.remove(added)  # type: ignore[attr-defined]


_quiet_filter: list[Any] = []
