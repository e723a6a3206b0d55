"""The process that reads pictures: `python -m kunstkammer.web.inference.decoder BYTES`, told what to do through a pipe.

It may run out of memory, hang, or die of a picture that was made to kill it: nothing but that picture is lost, and
`decoding.DecodingPool` starts another one. It loads no torch, opens no files, and may write none.

A frame is two lengths, a header in JSON, and bytes. One comes in for each picture; the answer is `ACCEPTED` at once, so
that a death before can be told from a death of the picture, and then a frame.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kunstkammer.errors import PictureError
from kunstkammer.models.memory import keep_freed_memory
from kunstkammer.pictures.plate import Look, PlateSettings, plate_of
from kunstkammer.pictures.read import picture_format, picture_size, read_picture

LENGTHS = struct.Struct("<II")
ACCEPTED = b"+"
THUMBNAIL = 512
"""The longer side of a thumbnail, in pixels."""

KEPT_BYTES = 64 * 2**20
"""Of freed memory, so that not every picture is decoded into pages that the system has to clear: half the time."""

NICENESS = 5
"""Below that of the process that answers: where processors are short, the model's threads do not wait for a decoder."""


def frame(header: dict[str, Any], *bodies: bytes | memoryview) -> list[bytes | memoryview]:
    """Return the parts of one frame, to be written one after the other."""
    head = json.dumps(header).encode()
    return [LENGTHS.pack(len(head), sum(len(body) for body in bodies)) + head, *bodies]


def read_frame(read: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Return the header and the bytes of the next frame; None where the other side is gone.

    `read(n)` gives exactly n bytes, fewer only at the end.
    """
    lengths = read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    header, data = read(head), read(body)
    if len(header) < head or len(data) < body:
        return None
    return json.loads(header), data


def decode(data: bytes, name: str, plates: Sequence[PlateSettings], *, thumbnail: bool, max_pixels: int) -> list[Any]:
    """Return [facts, the thumbnail as WebP (b"" if not wanted), one uint8 (C, H, W) for each of `plates`].

    A plate is bit for bit that of `make_plate`; nothing is decoded twice where once gives the same. Raises
    `PictureError`.
    """
    kind = picture_format(data, name=name)
    width, height = picture_size(data, name=name, max_pixels=max_pixels)
    decoded: dict[tuple[bool, int], Image.Image] = {}

    def opened(grey: bool, at_least: int | None = None) -> Image.Image:
        key = (grey, _shrink(kind, (width, height), at_least))
        if key not in decoded:
            decoded[key] = read_picture(data, grey=grey, at_least=at_least, name=name, max_pixels=max_pixels)
        return decoded[key]

    looks: list[Look] = [settings.look() for settings in plates]
    found = [np.ascontiguousarray(plate_of(opened(look.grey), look)) for look in looks]
    small = _thumbnail(opened(False, THUMBNAIL)) if thumbnail else b""
    if not found and not thumbnail:
        opened(False)
    return [{"format": kind, "width": width, "height": height}, small, *found]


def _shrink(kind: str, size: tuple[int, int], at_least: int | None) -> int:
    """Return by which power of two a JPEG is shrunk while it is decoded, as Pillow chooses it."""
    if kind != "JPEG" or not at_least:
        return 1
    fits = min(size[0] // at_least, size[1] // at_least)
    return next(power for power in (8, 4, 2, 1) if fits >= power or power == 1)


def _thumbnail(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2.0)
    small.info = {}
    file = BytesIO()
    small.save(file, "WEBP", quality=80, method=2)
    return file.getvalue()


def limit(memory: int) -> None:
    """Hold this process to `memory` bytes of address space beyond what it has now, and to writing no file at all.

    Where the system does not say what a process has (other than Linux), only the latter.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError):
        now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(memory: int) -> None:
    """Answer until the other side is gone."""
    for name in ("SIGINT", "SIGTERM"):  # the server finishes what runs, and closes the pipe when it is done
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    inward, outward = os.fdopen(os.dup(0), "rb"), os.dup(1)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nowhere, number)
    Image.preinit()
    keep_freed_memory(KEPT_BYTES)
    limit(memory)
    _write(outward, frame({"ready": True}))
    os.dup2(nowhere, 2)  # libraries print of broken files; until here a reader learns why it cannot start
    while (asked := read_frame(inward.read)) is not None:
        _write(outward, [ACCEPTED])
        _write(outward, _answer(*asked))


def _answer(asked: dict[str, Any], data: bytes) -> list[bytes | memoryview]:
    plates = [PlateSettings(**settings) for settings in asked["plates"]]
    name = asked["name"]
    try:
        options = {"thumbnail": asked["thumbnail"], "max_pixels": asked["max_pixels"]}
        facts, small, *found = decode(data, name, plates, **options)
    except PictureError as error:
        return frame({"cause": error.cause})
    except MemoryError:
        return frame({"cause": "the machine has not enough memory to decode it"})
    header = {"facts": facts, "thumbnail": len(small), "shapes": [plate.shape for plate in found]}
    return frame(header, small, *(plate.reshape(-1).data for plate in found))


def _write(outward: int, parts: Sequence[bytes | memoryview]) -> None:
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(outward, rest) :]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
