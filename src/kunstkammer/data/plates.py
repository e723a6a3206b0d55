"""Plates: every picture of a collection decoded and scaled once, kept in a memory-mapped store, gathered in batches."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kunstkammer.data.known import Known
from kunstkammer.data.plate_store import PlateStore, Segment
from kunstkammer.data.single_pass import Pass, single_pass
from kunstkammer.errors import PictureError
from kunstkammer.files import cache_folder
from kunstkammer.pictures.plate import PlateSettings, make_plate

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

__all__ = ["PlateSettings", "Plates", "make_plate", "make_plates", "plate_store"]

Indices = int | slice | Sequence[int] | np.ndarray | Tensor

_RESIDENT_BYTES = 16 << 20
"""So many bytes are gathered before the mapped pages are let go, so that memory does not grow with the collection."""


class Plates:
    """The plates of a collection, in its order; rows are copied out of the memory-mapped store when asked for.

    Attributes:
        settings: what a plate is.
        readable: bool (N,): whether picture i could be decoded.
        unreadable: the errors of those that could not, in order.
    """

    def __init__(
        self, settings: PlateSettings, arrays: list[np.ndarray], places: np.ndarray, errors: dict[int, PictureError]
    ):
        """`places`: int64 (N, 2): which of the `arrays`, uint8 (n, C, H, W), and which row; -1 where unreadable."""
        self.settings = settings
        self._segments: list[Segment] = []  # held, so that this process does not evict what it uses
        self._arrays = arrays
        self._gathered = 0
        self._array_of, self._row_of = np.ascontiguousarray(places.T)
        self._errors = errors
        self.readable: np.ndarray = self._array_of >= 0
        self.unreadable: list[PictureError] = [errors[i] for i in sorted(errors)]

    @classmethod
    def of_pass(cls, settings: PlateSettings, found: Pass) -> Plates:
        """Make the plates from what a pass with a store found."""
        arrays: list[np.ndarray] = []
        number: dict[int, int] = {}
        places = np.full((len(found.digests), 2), -1, dtype=np.int64)
        for i, digest in enumerate(found.digests):
            if i in found.errors:
                continue
            segment, row = found.places[digest]
            if id(segment) not in number:
                number[id(segment)] = len(arrays)
                arrays.append(segment.plates)
            places[i] = number[id(segment)], row
        plates = cls(settings, arrays, places, found.errors)
        plates._segments = list({id(segment): segment for segment, _ in found.places.values()}.values())
        for segment in plates._segments:
            segment.let_go()
        return plates

    def __len__(self) -> int:
        return len(self._row_of)

    def __repr__(self) -> str:
        return f"Plates({len(self)} of {self.settings}, {len(self.unreadable)} unreadable)"

    def __getitem__(self, indices: Indices) -> Tensor:
        """Return uint8 (B, C, H, W) for several indices (list, array, tensor, slice, boolean mask), (C, H, W) for one.

        The tensor is a copy and may be changed. An unreadable picture raises its `PictureError`, an index out of range
        `IndexError`.
        """
        if isinstance(indices, int | np.integer):
            return self[[int(indices)]][0]
        wanted = self._numbers(indices)
        arrays, rows = self._array_of[wanted], self._row_of[wanted]
        if rows.size and rows.min() < 0:
            raise self._errors[int(wanted[int(np.argmin(rows))])]
        self._count(len(rows))
        if len(self._arrays) == 1:
            return torch.from_numpy(self._arrays[0].take(rows, axis=0))
        batch = np.empty((len(rows), *self.settings.shape), np.uint8)
        for place, (array, row) in enumerate(zip(arrays.tolist(), rows.tolist(), strict=True)):
            batch[place] = self._arrays[array][row]
        return torch.from_numpy(batch)

    def _count(self, rows: int) -> None:
        """Let go of the mapped pages once in a while; they stay in the system's own cache and cost next to nothing."""
        self._gathered += rows * math.prod(self.settings.shape)
        if self._gathered > _RESIDENT_BYTES:
            self._gathered = 0
            for segment in self._segments:
                segment.let_go()

    def select(self, indices: Indices) -> Plates:
        """Return the plates at `indices`, in that order; nothing is copied."""
        wanted = self._numbers(indices)
        errors = {place: self._errors[i] for place, i in enumerate(wanted.tolist()) if i in self._errors}
        places = np.stack([self._array_of[wanted], self._row_of[wanted]], axis=1)
        chosen = Plates(self.settings, self._arrays, places, errors)
        chosen._segments = self._segments
        return chosen

    def _numbers(self, indices: Indices) -> np.ndarray:
        """Turn any way of naming pictures into int64 (B,), all within 0..N-1."""
        if isinstance(indices, slice):
            return np.arange(len(self))[indices]
        given = np.asarray(indices)
        if given.dtype == bool:
            if given.shape != (len(self),):
                raise IndexError(f"A mask for {len(self)} plates must have shape ({len(self)},), not {given.shape}.")
            return np.flatnonzero(given)
        if given.size and not np.issubdtype(given.dtype, np.integer):
            raise IndexError(f"Plates are indexed by whole numbers, not {given.dtype}.")
        wanted = given.astype(np.int64, copy=False).reshape(-1)
        if wanted.size and (wanted.min() < -len(self) or wanted.max() >= len(self)):
            raise IndexError(
                f"There are {len(self)} plates; an index is out of range: {wanted.min()} to {wanted.max()}."
            )
        return np.where(wanted < 0, wanted + len(self), wanted)


def make_plates(
    collection: Collection,
    settings: PlateSettings,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    show_progress: bool = True,
    verify: bool = False,
) -> Plates:
    """Return the plates of a collection; those that an earlier run made of the same contents are used again.

    Args:
        collection: the pictures.
        settings: what a plate is.
        cache: the cache folder; `kunstkammer.files.cache_folder()` when not given.
        workers: how many threads decode; as many as there are processors when not given.
        show_progress: whether to show it on stderr.
        verify: compare the checksums of all plates that are used again, which reads them once.

    Unreadable pictures are collected in the result. Raises `ResourceError` when the cache cannot be written or is full.
    """
    folder = cache_folder() if cache is None else Path(os.fspath(cache))
    with Known(folder) as known:
        found = single_pass(
            collection,
            settings.look(),
            known,
            plate_store(folder, settings),
            want_facts=False,
            workers=workers,
            show_progress=show_progress,
            description="Making plates",
            verify=verify,
        )
    return Plates.of_pass(settings, found)


def plate_store(cache: Path, settings: PlateSettings) -> PlateStore:
    """Return the store in which plates of these settings are kept."""
    return PlateStore(cache / "plates", settings.key, settings.shape)
