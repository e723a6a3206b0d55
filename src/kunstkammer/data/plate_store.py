"""The plate store: segments of plates on disk, each whole or absent, found by the content that a plate was made of.

A segment is one file: a header, the SHA-256 digests of the contents, and the plates, row after row. It is written under
a temporary name, fsynced and renamed, so that it is there whole or not at all, whenever the process is killed. Its name
follows from its digests, so that two processes that build the same write the same file. Nothing in it ever changes; it
is mapped into memory and, once mapped, stays readable even if another process deletes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import mmap
import os
import shutil
import struct
import time
import weakref
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kunstkammer.data.known import MEND
from kunstkammer.errors import ResourceError
from kunstkammer.files import atomic_file, disk_errors
from kunstkammer.progress import say

SUFFIX = ".plates"
LIMIT_VARIABLE = "KUNSTKAMMER_CACHE_GB"
DEFAULT_LIMIT_BYTES = 20 * 10**9

_MAGIC = b"KKPLATE1"
_HEADER = struct.Struct("<8s4IQII")  # magic, count, channels, height, width, offset of the plates, two checksums
_ALIGNMENT = 4096
_STRAY_SECONDS = 3600  # a segment is written in seconds; a temporary file this old belongs to nobody
_SMALL_BYTES = 4 << 20
_MOST_SMALL = 32

_open_segments: weakref.WeakValueDictionary[Path, Segment] = weakref.WeakValueDictionary()


class DamagedSegmentError(Exception):
    """A segment file that is not what its header says."""


class Segment:
    """One mapped segment.

    Attributes:
        path: its file.
        digests: the SHA-256 of each plate's content, as bytes.
        plates: uint8 (n, channels, height, width), read-only.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self.path = path
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _HEADER.size:
                raise DamagedSegmentError("it is cut off")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        view = memoryview(self._map)
        magic, count, channels, height, width, offset, index_sum, self._sum = _HEADER.unpack(view[: _HEADER.size])
        if magic != _MAGIC or (channels, height, width) != shape:
            raise DamagedSegmentError("its header is not that of a segment of this shape")
        if size != offset + count * math.prod(shape):
            raise DamagedSegmentError(f"it has {size:,} bytes instead of {offset + count * math.prod(shape):,}")
        index = view[_HEADER.size : _HEADER.size + 32 * count]
        if zlib.crc32(index) != index_sum:
            raise DamagedSegmentError("its index is not what was written")
        self.digests: list[bytes] = np.frombuffer(index, dtype="V32").tolist()
        self.plates = np.frombuffer(view[offset:], dtype=np.uint8).reshape(count, *shape)

    def let_go(self) -> None:
        """Tell the system that the mapped pages are not needed in this process now; read again when touched."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows, which trims mapped files by itself
            self._map.madvise(mmap.MADV_DONTNEED)

    def check(self) -> None:
        """Read every plate and compare the checksum; raises `DamagedSegmentError`."""
        if zlib.crc32(self.plates.data.cast("B")) != self._sum:
            raise DamagedSegmentError("its plates are not what was written")


class PlateStore:
    """All segments of one kind of plate, in one folder.

    Args:
        root: the folder of all plate stores; the limit holds for all of them together.
        key: the name of this store's folder: what the plates' values depend on beside the content.
        shape: (channels, height, width) of a plate.
    """

    def __init__(self, root: Path, key: str, shape: tuple[int, int, int]) -> None:
        self.root = root
        self.folder = root / key
        self.shape = shape
        self.plate_bytes = math.prod(shape)

    def find(self, digests: Iterable[bytes] | None = None, *, verify: bool = False) -> dict[bytes, tuple[Segment, int]]:
        """Return where the plates of these contents are (of all contents when None); damaged segments are deleted.

        With `verify` the checksum of each segment that is needed is compared too, which reads all of it.
        """
        wanted = None if digests is None else set(digests)
        found: dict[bytes, tuple[Segment, int]] = {}
        for path in self._paths():
            segment = self._open(path)
            if segment is None:
                continue
            rows = [
                (digest, row)
                for row, digest in enumerate(segment.digests)
                if (wanted is None or digest in wanted) and digest not in found
            ]
            if rows and verify and not self._sound(segment):
                continue
            found.update((digest, (segment, row)) for digest, row in rows)
            if rows:
                with contextlib.suppress(OSError):
                    os.utime(path)  # least recently used goes first
        return found

    def add(self, digests: Sequence[bytes], plates: np.ndarray) -> Segment:
        """Write one segment: plates uint8 (n, channels, height, width) of n different contents. `ResourceError`."""
        index = b"".join(digests)
        rows = np.ascontiguousarray(plates).data.cast("B")
        path = self.folder / (hashlib.sha256(index).hexdigest()[:32] + SUFFIX)
        offset = -(-(_HEADER.size + len(index)) // _ALIGNMENT) * _ALIGNMENT
        sums = (zlib.crc32(index), zlib.crc32(rows))
        header = _HEADER.pack(_MAGIC, len(digests), *self.shape, offset, *sums)
        try:
            with atomic_file(path) as partial, partial.open("wb") as file:
                file.write(header + index)
                file.write(bytes(offset - len(header) - len(index)))
                file.write(rows)
        except ResourceError as error:
            raise ResourceError(f"{error} {MEND}") from error
        _open_segments.pop(path, None)
        return self._register(Segment(path, self.shape))

    def prepare(self, plates: int) -> None:
        """Make room for so many more plates: stray files and, over the limit, the segments least recently used go.

        Raises `ResourceError` when the disk cannot hold them. Segments that this process holds are never deleted.
        """
        try:
            with disk_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
        except ResourceError as error:
            raise ResourceError(f"{error} {MEND}") from error
        remove_strays(self.root)
        needed = plates * self.plate_bytes
        make_room(self.root, needed, set(_open_segments.keys()))
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise ResourceError(
                f"The plates need {needed / 1e9:.1f} GB, and {self.folder} has {free / 1e9:.1f} GB free. {MEND}"
            )

    def merge_small(self) -> None:
        """Join small segments into one when there are many: runs over a few pictures leave a small one each."""
        small = [path for path in self._paths() if _size(path) < _SMALL_BYTES]
        if len(small) <= _MOST_SMALL:
            return
        segments = [segment for path in small if (segment := self._open(path)) is not None]
        rows = {digest: (segment, row) for segment in segments for row, digest in enumerate(segment.digests)}
        most = max(1, (_MOST_SMALL * _SMALL_BYTES) // self.plate_bytes)
        digests = sorted(rows)[:most]
        merged = self.add(digests, np.stack([rows[digest][0].plates[rows[digest][1]] for digest in digests]))
        inside = set(digests)
        for segment in segments:
            if inside.issuperset(segment.digests) and segment.path != merged.path:
                _delete(segment.path)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def _open(self, path: Path) -> Segment | None:
        segment = _open_segments.get(path)
        if segment is not None:
            return segment
        try:
            return self._register(Segment(path, self.shape))
        except FileNotFoundError:  # another process made room
            return None
        except (DamagedSegmentError, OSError) as error:
            self._throw_away(path, error)
            return None

    def _register(self, segment: Segment) -> Segment:
        _open_segments[segment.path] = segment
        return segment

    def _sound(self, segment: Segment) -> bool:
        try:
            segment.check()
        except DamagedSegmentError as error:
            _open_segments.pop(segment.path, None)
            self._throw_away(segment.path, error)
            return False
        return True

    def _throw_away(self, path: Path, error: Exception) -> None:
        say(f"The plates in {path} are damaged ({error}); they are made anew.")
        _delete(path)


def limit_bytes(root: Path) -> int:
    """Return how large all plate stores together may be: `KUNSTKAMMER_CACHE_GB`, or 20 GB and at most half the disk."""
    named = os.environ.get(LIMIT_VARIABLE)
    if named:
        try:
            limit = float(named)
        except ValueError:
            limit = math.nan
        if not limit >= 0:
            raise ResourceError(f"{LIMIT_VARIABLE} is '{named}'; give the limit of the cache in GB, such as 20.")
        return int(limit * 1e9) if math.isfinite(limit) else 1 << 62
    used = sum(_size(path) for path in root.glob(f"*/*{SUFFIX}"))
    return min(DEFAULT_LIMIT_BYTES, (used + shutil.disk_usage(root).free) // 2)


def make_room(root: Path, needed: int, held: Iterable[Path] = ()) -> None:
    """Delete the segments least recently used, but none in `held`, until `needed` more bytes keep to the limit."""
    held = set(held)
    limit = limit_bytes(root)
    sizes = {path: _size(path) for path in root.glob(f"*/*{SUFFIX}")}
    total = sum(sizes.values()) + needed
    for path in sorted(sizes.keys() - held, key=_last_use):
        if total <= limit:
            return
        _delete(path)
        total -= sizes[path]
    if total > limit and needed:
        say(
            f"The plates take {total / 1e9:.1f} GB, more than the limit of {limit / 1e9:.1f} GB ({LIMIT_VARIABLE}): "
            "later runs will delete them."
        )


def remove_strays(root: Path) -> None:
    """Delete the temporary files that killed processes left; those of living processes are younger and stay."""
    for path in root.glob("*/.writing-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STRAY_SECONDS:
                path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _last_use(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:
        return 0.0, path.name


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # another process was faster, or (on Windows) still reads it
        path.unlink()
