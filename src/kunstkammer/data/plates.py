"""Plates: every picture of a collection decoded and scaled once, kept in a memory-mapped store, gathered in batches."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import PIL
import torch
from torch import Tensor

from kunstkammer.data.known import Known
from kunstkammer.data.plate_store import PlateStore, Segment
from kunstkammer.data.single_pass import Look, Pass, plate_of, single_pass
from kunstkammer.errors import PictureError, RecipeError, guess
from kunstkammer.files import cache_folder
from kunstkammer.pictures.preparation import PREPARATION_FORMAT, from_key
from kunstkammer.pictures.read import read_picture
from kunstkammer.pictures.scale import Fit

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

Indices = int | slice | Sequence[int] | np.ndarray | Tensor

PLATE_FORMAT = 2
"""Part of the store's key: raised whenever the values of plates change."""

# JPEG is decoded at no less than this many times the plate's side (in fact 1.25 to 2.5 times, as it scales by halves).
# On comic pages the plates are then 1.3 to 1.5 grey levels from those of a full decode in the mean; at 1.0 it is 4.7.
_OVERSIZE = 1.25


@dataclass(frozen=True)
class PlateSettings:
    """What a plate is.

    Attributes:
        height, width: in pixels.
        grey: one channel (luma of ITU-R BT.601) instead of three (RGB).
        fit: "squash" changes the aspect, "pad" fills up with white, "crop" cuts off what overhangs.
        preparation: `Preparation.key` of what is done to the plate when it is made, "" for nothing.
    """

    height: int
    width: int
    grey: bool = False
    fit: Fit = "squash"
    preparation: str = ""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise RecipeError(
                f"A plate must be at least 1 x 1 pixels, not {self.height} x {self.width} (height x width)."
            )
        if self.fit not in get_args(Fit):
            known = ", ".join(get_args(Fit))
            raise RecipeError(f"There is no fit '{self.fit}'.{guess(str(self.fit), get_args(Fit))} Known: {known}.")
        from_key(self.preparation)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width).

        >>> PlateSettings(120, 90, grey=True).shape
        (1, 120, 90)
        """
        return (1 if self.grey else 3, self.height, self.width)

    @property
    def key(self) -> str:
        """Name what the values depend on beside the content; another Pillow or torch may give other values."""
        tone = "grey" if self.grey else "rgb"
        size = f"{self.height}x{self.width}"
        versions = f"pillow{PIL.__version__}-torch{torch.__version__.partition('+')[0]}"
        plain = f"{PLATE_FORMAT}-{tone}-{size}-{self.fit}-from{self.look().at_least}-{versions}"
        if not self.preparation:
            return plain
        name = hashlib.sha256(self.preparation.encode()).hexdigest()[:16]
        return f"{plain}-prepared{PREPARATION_FORMAT}-{name}"

    def look(self) -> Look:
        """Return how pictures are decoded for such plates."""
        at_least = max(math.ceil(_OVERSIZE * max(self.height, self.width)), Look.LEAST)
        size = (self.height, self.width)
        return Look(grey=self.grey, at_least=at_least, size=size, fit=self.fit, preparation=self.preparation)


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


def make_plate(source: Path | bytes, settings: PlateSettings, name: str) -> np.ndarray:
    """Return the plate of one picture, uint8 (C, H, W), bit for bit the one that `make_plates` keeps.

    Raises `PictureError`.
    """
    look = settings.look()
    return plate_of(read_picture(source, grey=look.grey, at_least=look.at_least, name=name), look)


def plate_store(cache: Path, settings: PlateSettings) -> PlateStore:
    """Return the store in which plates of these settings are kept."""
    return PlateStore(cache / "plates", settings.key, settings.shape)
