"""`check` and the plates of a collection in one pass, against decoding every picture once on all cores."""

from __future__ import annotations

import contextlib
import hashlib
import io
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from benchmarks.contest import Contestant, Found, Options, Target, compare, contest, seconds
from benchmarks.machine import cores
from benchmarks.subjects import sample
from kunstkammer.data.check import check
from kunstkammer.data.plates import PlateSettings
from kunstkammer.data.readers import read
from kunstkammer.data.survey import survey
from kunstkammer.errors import PictureError
from kunstkammer.pictures.plate import plate_of
from kunstkammer.pictures.read import read_picture

JOB = "plates"
DECODE = "decoding once"
SETTINGS = {
    "120 px grey": PlateSettings(120, 120, grey=True),
    "128 px colour": PlateSettings(128, 128),
    "224 px colour": PlateSettings(224, 224),
}
TARGET = Target("ratio", "<=", 1.2)


def measure(options: Options) -> Iterator[Found]:
    """Time the first pass, with nothing known, and the second, with everything known; the files are in memory."""
    collection = sample(read(options.data), options.pictures)
    sources = [collection.source(i) for i in range(len(collection))]
    for source in sources:  # so that the disk plays no part
        if isinstance(source, Path):
            source.read_bytes()
    _passes(options, PlateSettings(16, 16))  # imports
    contestants: dict[str, Contestant] = {DECODE: lambda: {DECODE: seconds(lambda: decode_all(sources))}}
    for name, settings in SETTINGS.items():
        contestants[name] = _named(name, options, settings)
        contestants[_bare(name)] = _least(name, sources, settings)
    rounds = contest(contestants, options.rounds(5))
    for name in SETTINGS:
        least = statistics.median(a / b for a, b in zip(rounds[_bare(name)], rounds[DECODE], strict=True))
        note = f"reading, hashing, decoding and scaling alone: {least:.2f}"
        yield compare(JOB, f"check and plates, {name}", "s", rounds, ours=name, peer=DECODE, target=TARGET, note=note)
    for name in SETTINGS:
        yield compare(JOB, f"again, {name}", "s", rounds, ours=f"{name}, again", peer=DECODE)


def decode_all(sources: Sequence[Path | bytes]) -> None:
    """Decode each picture once at its full size with Pillow, on all cores."""
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(_decode, sources):
            pass


def _decode(source: Path | bytes) -> None:
    # What cannot be decoded costs both sides about the same; it is `check` that has to name it.
    with contextlib.suppress(OSError), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        image.convert("RGB")


def _named(name: str, options: Options, settings: PlateSettings) -> Contestant:
    def run() -> dict[str, float]:
        first, second = _passes(options, settings)
        return {name: first, f"{name}, again": second}

    return run


def _bare(name: str) -> str:
    return f"{name}, bare"


def _least(name: str, sources: Sequence[Path | bytes], settings: PlateSettings) -> Contestant:
    """Return what no pass can be quicker than: each picture read, hashed, decoded and scaled, nothing kept or found."""
    look = settings.look()

    def one(source: Path | bytes) -> None:
        data = source if isinstance(source, bytes) else source.read_bytes()
        hashlib.sha256(data)
        with contextlib.suppress(PictureError):
            plate_of(read_picture(data, grey=look.grey), look)

    def run() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            for _ in pool.map(one, sources):
                pass

    return lambda: {_bare(name): seconds(run)}


def _passes(options: Options, settings: PlateSettings) -> tuple[float, float]:
    """Return the seconds of two passes over a cache that is empty at first: read, survey with plates, check."""
    with tempfile.TemporaryDirectory(dir=options.scratch) as cache:

        def once() -> None:
            collection = sample(read(options.data), options.pictures)
            check(collection, survey(collection, settings, cache=Path(cache), show_progress=False))

        return seconds(once), seconds(once)
