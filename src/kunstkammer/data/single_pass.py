"""One pass over many pictures: each file read, hashed and decoded at most once, in parallel, in bounded memory.

What is asked of each picture is a plate, the facts of the survey, or both; what is known from earlier runs is not made
again. A value depends only on the content and the way of looking, never on the cache or the number of workers.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from kunstkammer.data.collection import Collection
from kunstkammer.data.decoding import in_order, processors
from kunstkammer.data.known import Facts, Known, settled, stamp_of
from kunstkammer.data.plate_store import PlateStore, Segment
from kunstkammer.errors import PictureError
from kunstkammer.pictures.plate import Look, plain_plate, prepared
from kunstkammer.pictures.read import picture_format, picture_size, read_picture
from kunstkammer.progress import progress

THUMBNAIL = 32
"""Side of the square grey thumbnail of the survey, in pixels."""

FACTS_FORMAT = 3
"""Part of the key of the facts: raised whenever their values change."""

CHUNK_BYTES = 16 << 20
"""Plates are written whenever so many are made: what a kill can lose, and what the pass holds in memory."""

CHUNK_PICTURES = 4096

_LEVELS = np.arange(256)
_BLOCK = 8  # pictures that one worker takes at a time
_WHOLE_FILE_BYTES = 256 << 20  # larger files are hashed and decoded from the disk rather than from memory


def facts_key(look: Look) -> str:
    """Name the way of looking that the facts depend on; another Pillow may decode to other values."""
    way = {"grey": look.grey, "at_least": look.at_least}
    if _whole(look) is not None:
        way = {item.name: getattr(look, item.name) for item in fields(look) if item.name != "preparation"}
    named = "-".join(f"{name}={value}" for name, value in way.items())
    return f"{FACTS_FORMAT}-{named}-pillow{PIL.__version__}"


def _whole(look: Look) -> tuple[int, int] | None:
    """Return (height, width) of plates that show whole pictures, large enough for the facts; None for others."""
    framing = look.framing
    if framing is None or not framing.plain or min(framing.size) < 2 * THUMBNAIL:
        return None
    return framing.size


def _shown_by_plate(look: Look, image: Image.Image) -> bool:
    """Whether the facts of a picture are those of its plate, which is quicker than going over all of it once more.

    Those of a picture that is smaller than the plate are not: there the plate is only a blur of it.
    """
    size = _whole(look)
    return size is not None and image.height >= size[0] and image.width >= size[1]


@dataclass
class Pass:
    """What the pass found.

    Attributes:
        digests: SHA-256 of each picture's file as bytes; b"" where it could not be read as a file.
        errors: by index, the pictures that cannot be decoded.
        places: by digest, where the plates are.
        facts: by digest, the facts.
    """

    digests: list[bytes]
    errors: dict[int, PictureError] = field(default_factory=dict)
    places: dict[bytes, tuple[Segment, int]] = field(default_factory=dict)
    facts: dict[bytes, Facts] = field(default_factory=dict)


@dataclass(slots=True)
class _Shown:
    """A whole picture made small, its size (width, height) and its format."""

    small: np.ndarray | Image.Image
    size: tuple[int, int]
    format: str


@dataclass(slots=True)
class _Seen:
    """One picture, looked at by a worker."""

    index: int
    digest: bytes = b""
    stamp: str = ""  # "" when the file is not to be remembered
    shown: _Shown | None = None  # what the facts are to be gathered from
    facts: Facts | None = None
    plate: np.ndarray | None = None
    error: PictureError | None = None


def single_pass(
    collection: Collection,
    look: Look,
    known: Known,
    store: PlateStore | None,
    *,
    want_facts: bool,
    workers: int | None = None,
    show_progress: bool = True,
    description: str = "Reading pictures",
    verify: bool = False,
) -> Pass:
    """Go once over the collection. With a `store` every picture gets a plate, with `want_facts` its facts.

    Raises `ResourceError` when the disk refuses; what was finished until then stays and is used by the next run.
    """
    state = _State(collection, look, known, store, want_facts, verify)
    todo = [i for i, digest in enumerate(state.result.digests) if not digest or state.lacks(digest)]
    state.note_use()
    if not todo:
        return state.result
    if store is not None:
        store.prepare(state.most_plates(todo))
        if not all(state.result.digests):
            # A file not read yet may hold any content that is there.
            state.result.places = {**store.find(verify=verify), **state.result.places}
    writer = _Writer(state, len(todo))
    shown = progress(description, len(todo)) if show_progress else contextlib.nullcontext(_ignore)
    with shown as advance:
        workers = max(1, workers or processors())
        blocks = [todo[start : start + _BLOCK] for start in range(0, len(todo), _BLOCK)]
        held = max(2 * workers, state.ahead() // _BLOCK)
        with contextlib.closing(in_order(state.look_at_all, blocks, held=held, workers=workers)) as looks:
            for seen in itertools.chain.from_iterable(looks):
                writer.take(seen)
                advance(1)
    writer.flush()
    wanted = set(state.result.digests)
    state.result.places = {digest: place for digest, place in state.result.places.items() if digest in wanted}
    if store is not None:
        store.merge_small()
    return state.result


class _State:
    """What is asked, what is known already, and how to look at one picture."""

    def __init__(
        self, collection: Collection, look: Look, known: Known, store: PlateStore | None, want_facts: bool, verify: bool
    ) -> None:
        self.collection, self.look, self.known, self.store = collection, look, known, store
        self.want_facts = want_facts
        self.paths, stamps = _stamps(collection)
        by_path = known.digests(stamps)
        self.result = Pass([by_path.get(path, b"") if path is not None else b"" for path in self.paths])
        digests = set(self.result.digests) - {b""}
        if store is not None:
            self.result.places = store.find(digests, verify=verify)
        if want_facts:
            self.result.facts = known.facts(digests, facts_key(look))

    def lacks(self, digest: bytes) -> bool:
        return self._lacks_plate(digest) or self._lacks_facts(digest)

    def _lacks_plate(self, digest: bytes) -> bool:
        return self.store is not None and digest not in self.result.places

    def _lacks_facts(self, digest: bytes) -> bool:
        return self.want_facts and digest not in self.result.facts

    def most_plates(self, todo: Sequence[int]) -> int:
        """Return how many plates there are to make at most."""
        digests = [self.result.digests[i] for i in todo]
        return digests.count(b"") + len({digest for digest in digests if digest and self._lacks_plate(digest)})

    def ahead(self) -> int:
        """Return how many pictures may wait to be written: the more, the less the workers wait for the writer."""
        each = THUMBNAIL**2 + (0 if self.store is None else self.store.plate_bytes)
        return min(CHUNK_BYTES // 2 // each, CHUNK_PICTURES)

    def note_use(self) -> None:
        digests = set(self.result.digests) - {b""} if self.want_facts else set()
        self.known.mark_used([path for path in self.paths if path is not None], digests, facts_key(self.look))

    def look_at_all(self, indices: Sequence[int]) -> list[_Seen]:
        """Look at some pictures; runs in many threads.

        The facts come last: the few small steps that they take are twice as quick one after the other as between two
        pictures that have gone through the processor's cache.
        """
        found = [self._look_at(i) for i in indices]
        for seen in found:
            if seen.shown is not None:
                seen.facts, seen.shown = _facts(seen.shown), None
        return found

    def _look_at(self, i: int) -> _Seen:
        """Read, hash and, where something is lacking, decode one picture."""
        seen = _Seen(i)
        try:
            data, seen.digest, seen.stamp = _read(self.collection.source(i), self.collection.files[i])
            if self.lacks(seen.digest):
                self._decode(data, seen)
        except PictureError as error:
            seen.error = error
        return seen

    def _decode(self, data: bytes | Path, seen: _Seen) -> None:
        name, look = self.collection.files[seen.index], self.look
        image = read_picture(data, grey=look.grey, at_least=look.at_least, name=name)
        lacks_plate, lacks_facts = self._lacks_plate(seen.digest), self._lacks_facts(seen.digest)
        by_plate = lacks_facts and _shown_by_plate(look, image)
        if lacks_plate or by_plate:
            plate = np.ascontiguousarray(plain_plate(image, look))
            if lacks_plate:
                seen.plate = prepared(plate, look)
        if lacks_facts:
            size = image.size if look.at_least is None else picture_size(data, name=name)
            shown = plate if by_plate else _small(image)
            seen.shown = _Shown(shown, size, picture_format(data, name=name))


class _Writer:
    """Gathers what the workers hand over and writes it, chunk by chunk."""

    def __init__(self, state: _State, pictures: int) -> None:
        self.state, self.result = state, state.result
        self.files: list[tuple[bytes, str, bytes]] = []
        self.facts: dict[bytes, Facts] = {}
        self.rows: dict[bytes, int] = {}  # digest -> row of the chunk
        self.seen = 0
        if state.store is not None:
            rows = max(1, min(pictures, CHUNK_BYTES // state.store.plate_bytes))
            self.chunk = np.empty((rows, *state.store.shape), np.uint8)

    def take(self, seen: _Seen) -> None:
        result = self.result
        self.seen += 1
        path = self.state.paths[seen.index]
        result.digests[seen.index] = seen.digest
        if seen.error is not None:
            result.errors[seen.index] = seen.error
        if path is not None and seen.stamp:
            self.files.append((path, seen.stamp, seen.digest))
        if seen.facts is not None:
            self.facts[seen.digest] = result.facts[seen.digest] = seen.facts
        if seen.plate is not None and seen.digest not in self.rows and seen.digest not in result.places:
            self.chunk[len(self.rows)] = seen.plate
            self.rows[seen.digest] = len(self.rows)
        if self.seen >= CHUNK_PICTURES or (self.rows and len(self.rows) == len(self.chunk)):
            self.flush()

    def flush(self) -> None:
        """Write what was gathered. Plates and index do not depend on each other, and wait for the disk together."""
        with ThreadPoolExecutor(1, thread_name_prefix="kunstkammer-write") as pool:
            writing = pool.submit(self._write_plates)
            self.state.known.add(self.files, self.facts, facts_key(self.state.look))
            writing.result()
        self.files, self.facts, self.rows, self.seen = [], {}, {}, 0

    def _write_plates(self) -> None:
        store = self.state.store
        if self.rows and store is not None:
            segment = store.add(list(self.rows), self.chunk[: len(self.rows)])
            self.result.places.update((digest, (segment, row)) for digest, row in self.rows.items())


def _stamps(collection: Collection) -> tuple[list[bytes | None], dict[bytes, str]]:
    """Return the path of each picture that is a regular file, and the stamp of each path; no file is read.

    With functions of `os`, not `Path`: for ten thousand files that is the time that opening known plates takes.
    """
    paths: list[bytes | None] = []
    stamps: dict[bytes, str] = {}
    for path in collection.paths:
        paths.append(None)
        if path is None:
            continue
        try:
            state = os.stat(path)  # noqa: PTH116 - as above
        except (OSError, ValueError):
            continue  # reading it will say what is wrong
        if stat.S_ISREG(state.st_mode):
            key = os.fsencode(os.path.abspath(path))  # noqa: PTH100 - as above
            paths[-1] = key
            stamps[key] = stamp_of(state)
    return paths, stamps


def _read(source: Path | bytes, name: str) -> tuple[bytes | Path, bytes, str]:
    """Return what to decode, the SHA-256 of the content, and the stamp to remember ("" for none)."""
    if isinstance(source, bytes):
        return source, hashlib.sha256(source).digest(), ""
    try:
        if not stat.S_ISREG(source.stat().st_mode):  # opening a pipe would wait for ever
            raise OSError
        with source.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if before.st_size > _WHOLE_FILE_BYTES:
                return source, hashlib.file_digest(file, "sha256").digest(), stamp_of(before) if settled(before) else ""
            data = file.read(before.st_size + 1)
            same = stamp_of(before) == stamp_of(os.fstat(file.fileno())) and len(data) == before.st_size
    except (OSError, ValueError):
        read_picture(source, name=name)  # says in plain words what is wrong
        raise PictureError(name, "it changed while it was read") from None
    if not same:
        data = source.read_bytes()
    return data, hashlib.sha256(data).digest(), stamp_of(before) if same and settled(before) else ""


def _small(image: Image.Image) -> Image.Image:
    """Return a picture at 64 to 127 pixels, by averaging in whole steps, which makes all that follows cheap."""
    shrink = min(image.size) // (2 * THUMBNAIL)
    return image.reduce(shrink) if shrink > 1 else image


def _facts(shown: _Shown) -> Facts:
    """Gather the facts of a picture from what shows the whole of it."""
    small = shown.small
    if isinstance(small, np.ndarray):
        channels = [Image.fromarray(channel) for channel in small]
        small = _small(channels[0] if len(channels) == 1 else Image.merge("RGB", channels))
    grey = small if small.mode == "L" else small.convert("L")
    counts = np.array(grey.histogram(), dtype=np.int64)
    total = int(counts.sum())
    mean = float(counts @ _LEVELS) / total
    variance = float(counts @ _LEVELS**2) / total - mean * mean
    thumbnail = thumbnail_of(grey).tobytes()
    return Facts(*shown.size, shown.format, mean, max(variance, 0.0) ** 0.5, thumbnail)


def thumbnail_of(grey: Image.Image) -> Image.Image:
    """Return the grey thumbnail that fingerprints are made of: the whole picture, squashed to a square."""
    return grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=3.0)


def _ignore(_: int) -> None:
    return
