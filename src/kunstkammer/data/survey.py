"""Survey: every picture read, hashed and decoded once, for the health check, the duplicates and the plates together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.data.fingerprints import hashes_of_thumbnails
from kunstkammer.data.known import Known
from kunstkammer.data.plates import Plates, PlateSettings, plate_store
from kunstkammer.data.single_pass import THUMBNAIL, Pass, single_pass
from kunstkammer.errors import PictureError
from kunstkammer.files import cache_folder
from kunstkammer.pictures.plate import Look

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection


@dataclass(frozen=True, eq=False)
class Survey:
    """What one look at every picture found; row i is picture i of the collection, zeros where it is unreadable.

    Attributes:
        files: the name of each picture.
        sha256: of each picture's file, in hexadecimal; "" where it is unreadable.
        phash: uint64 (N,), the perceptual hash (`fingerprints.perceptual_hash`).
        thumbnails: uint8 (N, 32, 32), the whole picture in grey, squashed.
        sizes: int64 (N, 2), (width, height) as shown.
        formats: "JPEG", "PNG" ...; "" where unreadable.
        means, deviations: float64 (N,), of the grey values 0..255 at about 64 pixels; a deviation below 1 is a blank
            picture.
        errors: by index, why a picture is unreadable.
        plates: the plates, when settings were given.
    """

    files: list[str]
    sha256: list[str]
    phash: np.ndarray
    thumbnails: np.ndarray
    sizes: np.ndarray
    formats: list[str]
    means: np.ndarray
    deviations: np.ndarray
    errors: dict[int, PictureError]
    plates: Plates | None = None

    def __len__(self) -> int:
        return len(self.files)

    def select(self, indices: np.ndarray) -> Survey:
        """Return what was found of the pictures at `indices`, in that order, without their plates."""
        rows = indices.tolist()
        return Survey(
            [self.files[i] for i in rows],
            [self.sha256[i] for i in rows],
            self.phash[indices],
            self.thumbnails[indices],
            self.sizes[indices],
            [self.formats[i] for i in rows],
            self.means[indices],
            self.deviations[indices],
            {new: self.errors[i] for new, i in enumerate(rows) if i in self.errors},
        )

    @property
    def readable(self) -> np.ndarray:
        """bool (N,): whether picture i could be decoded."""
        mask = np.ones(len(self), dtype=bool)
        mask[list(self.errors)] = False
        return mask


def survey(
    collection: Collection,
    settings: PlateSettings | None = None,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    show_progress: bool = True,
) -> Survey:
    """Look once at every picture of a collection and, with `settings`, make its plates in the same pass.

    What is known of a content from an earlier run is not made again, and a file that has not changed is not read again.
    Hash, thumbnail, mean and deviation come from the plates where those show the whole picture at 64 pixels or more,
    else from the picture as it is decoded (without plates: the luma at no less than 128 pixels). So they may differ by
    a grey level or two between settings, never between runs.

    Args as for `make_plates`. Raises `ResourceError` when the cache cannot be written or is full.
    """
    folder = cache_folder() if cache is None else Path(os.fspath(cache))
    look = Look(grey=True, at_least=Look.LEAST) if settings is None else settings.look()
    store = None if settings is None else plate_store(folder, settings)
    with Known(folder) as known:
        found = single_pass(
            collection,
            look,
            known,
            store,
            want_facts=True,
            workers=workers,
            show_progress=show_progress,
            description="Looking at pictures",
        )
    return _survey(collection.files, found, None if settings is None else Plates.of_pass(settings, found))


def _survey(files: list[str], found: Pass, plates: Plates | None) -> Survey:
    n = len(files)
    thumbnails = np.zeros((n, THUMBNAIL, THUMBNAIL), np.uint8)
    sizes = np.zeros((n, 2), np.int64)
    means, deviations = np.zeros(n), np.zeros(n)
    formats, sha256 = [""] * n, [""] * n
    for i, digest in enumerate(found.digests):
        if i in found.errors:
            continue
        facts = found.facts[digest]
        thumbnails[i] = np.frombuffer(facts.thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL)
        sizes[i] = facts.width, facts.height
        means[i], deviations[i] = facts.mean, facts.deviation
        formats[i], sha256[i] = facts.format, digest.hex()
    hashes = hashes_of_thumbnails(thumbnails)
    hashes[list(found.errors)] = 0
    return Survey(files, sha256, hashes, thumbnails, sizes, formats, means, deviations, found.errors, plates)
