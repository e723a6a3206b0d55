"""Small pictures in every format and mode, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """An RGB picture whose four corners differ, smooth enough to survive JPEG."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    channels = [255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 128 + 100 * np.sin(x / 7)]
    return Image.fromarray(np.stack(channels, axis=2).round().astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def one_of_each() -> dict[str, bytes]:
    """A file of every format that is read, in several of its kinds."""
    picture = scene()
    palette = picture.quantize(16)
    deep = np.random.default_rng(0).integers(0, 2**16, (16, 24), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    return {
        "JPEG": encoded(picture, "jpeg", quality=95),
        "JPEG progressive": encoded(picture, "jpeg", progressive=True),
        "JPEG exif": encoded(picture, "jpeg", exif=exif),
        "JPEG CMYK": encoded(picture.convert("CMYK"), "jpeg"),
        "PNG": encoded(picture, "png"),
        "PNG palette": encoded(palette, "png", transparency=3),
        "PNG exif": encoded(picture, "png", exif=exif),
        "PNG 16 bit": encoded(Image.fromarray(deep), "png"),
        "WEBP": encoded(picture, "webp", quality=90),
        "WEBP lossless": encoded(picture.convert("RGBA"), "webp", lossless=True),
        "GIF": encoded(palette, "gif"),
        "GIF frames": encoded(palette, "gif", save_all=True, append_images=[palette.rotate(90)]),
        "TIFF": encoded(picture, "tiff"),
        "TIFF LZW": encoded(picture, "tiff", compression="tiff_lzw"),
        "TIFF JPEG": encoded(picture, "tiff", compression="jpeg"),
        "TIFF float": encoded(picture.convert("F"), "tiff"),
        "BMP": encoded(picture, "bmp"),
        "BMP palette": encoded(palette, "bmp"),
        "AVIF": encoded(picture, "avif"),
    }


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, pixels: bytes = b"") -> bytes:
    """A PNG by hand: `pixels` are the raw lines."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b"")


def bomb(side: int = 50_000) -> bytes:
    """A PNG of a few kB that claims side x side pixels."""
    return png(side, side, depth=1, pixels=bytes(100_000))


def grey_tiff(pixels: bytes, order: str, *, bits: int, zero_is_white: bool = False) -> bytes:
    """A grey TIFF of one line of three pixels by hand; `order` is "<" or ">"."""
    pixels += b"\0" * (len(pixels) % 2)
    long, short = 4, 3
    tags = [(256, long, 3), (257, long, 1), (258, short, bits), (259, short, 1), (262, short, not zero_is_white)]
    tags += [(273, long, 8), (277, short, 1), (278, long, 1), (279, long, len(pixels))]
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, value in tags:
        directory += struct.pack(f"{order}HHI", tag, kind, 1)
        directory += struct.pack(f"{order}I" if kind == long else f"{order}Hxx", value)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(pixels))
    return header + pixels + directory + bytes(4)
