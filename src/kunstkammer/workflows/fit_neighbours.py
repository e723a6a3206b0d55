"""fit-neighbours: the training pictures of a model beside it, so that a new picture can be held against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.decoding import in_order
from kunstkammer.data.groups import rarest_label
from kunstkammer.errors import DataError, ModelError, PictureError
from kunstkammer.progress import progress, say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

MOST_PICTURES = 5_000
LEAST_OF_A_LABEL = 20
"""So many pictures of a rare label are kept where it has them, more than its share."""

AHEAD = 64
"""So many small copies are under way at a time."""

THUMBNAIL = 224
"""The longer side of a small picture, in pixels."""


@dataclass(frozen=True)
class FittedNeighbours:
    """What `fit_neighbours` returns.

    Attributes:
        path: the folder that was written.
        part: which part of the collection: "train", or "all" where it has none.
        pictures: how many are kept; of: out of how many.
        features: how many numbers stand for a picture.
        bytes: the size of the folder.
        unreadable: the pictures that could not be read.
    """

    path: Path
    part: str
    pictures: int
    of: int
    features: int
    bytes: int
    unreadable: list[PictureError] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "neighbours": str(self.path),
            "part": self.part,
            "pictures": self.pictures,
            "of": self.of,
            "features": self.features,
            "bytes": self.bytes,
            "unreadable": [{"file": error.file, "cause": error.cause} for error in self.unreadable],
        }

    def to_text(self) -> str:
        """Return what was kept, and what comes next."""
        some = "" if self.pictures == self.of else f" of {self.of}"
        return "\n".join(
            [
                f"{self.pictures}{some} pictures ({self.part}), {self.features} features each, with small copies.",
                f"Written: {self.path} ({self.bytes / 2**20:.1f} MB)",
                f"Next: kunstkammer serve {self.path.parent}",
            ]
        )


def fit_neighbours(
    run: str | Path,
    data: Any,
    *,
    pictures: int = MOST_PICTURES,
    label_column: str | None = None,
    label_separator: str | None = None,
    seed: int = 0,
    device: str | None = None,
) -> FittedNeighbours:
    """Keep what a model sees in its training pictures in RUN/neighbours/, whole or not at all, bound to its weights.

    `kunstkammer serve` then shows the nearest of them beside a new picture, says how far it lies from them all, and
    shows examples of each label. Small copies of the pictures are kept there: whoever may see the page may see them.

    Args:
        run: a run folder or a checkpoint folder.
        data: any form of a collection that `kunstkammer.read` knows, best the one that the model learnt from: then its
            training part is used (the run's own, or the collection's), else all of it.
        pictures: keep so many of them at most, of each label its share, of rare ones at least 20.
        label_column, label_separator: as for `kunstkammer.read`.
        seed: of the drawing.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Raises:
        DataError: fewer than two pictures can be read.
        ModelError: the run cannot be opened, is no folder, or its network shows no features.
    """
    from kunstkammer.data.plates import make_plates
    from kunstkammer.data.readers import read
    from kunstkammer.evaluation.part import training_part
    from kunstkammer.models.digest import weights_digest
    from kunstkammer.models.features import collect_features
    from kunstkammer.models.folders import is_folder
    from kunstkammer.models.neighbours import Neighbours
    from kunstkammer.models.run import open_run

    if pictures < 2:
        raise DataError(f"pictures is {pictures}; give at least 2.")
    if not is_folder(run):
        raise ModelError(f"{run} is no folder to keep neighbours in; fetch the checkpoint into a folder first.")
    checkpoint = open_run(run, device)
    part = training_part(checkpoint, read(data, label_column=label_column, label_separator=label_separator))
    if part.name != "train" and checkpoint.learned is not None:
        raise DataError(
            f"{run} was not trained on any picture of {part.collection.name} (a picture that was saved anew is another "
            "one), so it has no neighbours there; name the collection that it was trained on."
        )
    known = part.collection
    chosen = known.select(share_out(known.labels, pictures, seed))
    plates = make_plates(chosen, checkpoint.plate_settings, show_progress=False)
    for error in plates.unreadable:
        say(f"Unreadable, left out: {error}")
    rows = np.flatnonzero(plates.readable)
    if len(rows) < 2:
        cause = f"; the first: {plates.unreadable[0]}" if plates.unreadable else ""
        raise DataError(f"Of {len(chosen)} pictures {len(rows)} can be read; two are needed{cause}")
    features = collect_features(checkpoint.model, checkpoint.geometry, plates, rows=rows, show_progress=True)
    if not np.isfinite(features).all():
        raise ModelError(f"{run} sees what is not a number in these pictures; its weights are damaged, train again.")
    kept = chosen.select(rows)
    found = Neighbours.of(features, _thumbnails(kept), kept.files, kept.labels, weights_digest(run))
    path = found.save(run)
    size = sum(file.stat().st_size for file in path.iterdir())
    return FittedNeighbours(path, part.name, len(rows), len(known), features.shape[1], size, list(plates.unreadable))


def share_out(labels: Sequence[Sequence[str]], most: int, seed: int) -> np.ndarray:
    """Return the places of at most `most` pictures, in order: of each label its share, of rare ones 20 where there are.

    A picture with several labels counts for its rarest.

    >>> len(share_out([["a"]] * 900 + [["b"]] * 100, 100, 0))
    100
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    names = sorted({label for own in labels for label in own})
    place = {name: k for k, name in enumerate(names)}
    targets = np.zeros((len(labels), len(names)), dtype=np.uint8)
    for row, own in enumerate(labels):
        targets[row, [place[label] for label in own]] = 1
    members: dict[int, list[int]] = {}
    for row, label in enumerate(rarest_label(targets).tolist()):
        members.setdefault(label, []).append(row)
    least = max(1, min(LEAST_OF_A_LABEL, most // len(members)))
    quota = {k: max(min(len(rows), least), most * len(rows) // len(labels)) for k, rows in sorted(members.items())}
    while (over := sum(quota.values()) - most) > 0:
        biggest = max(quota, key=lambda k: quota[k])
        rest = sorted(quota.values())[-2] if len(quota) > 1 else 0
        quota[biggest] -= max(1, min(over, quota[biggest] - rest))
    random = np.random.default_rng(seed)
    drawn = [random.permutation(members[k])[:n] for k, n in quota.items()]
    return np.sort(np.concatenate(drawn))


def _thumbnails(collection: Collection) -> list[bytes]:
    """Return a small WebP of each picture; all of them can be read."""

    def small(place: int) -> bytes:
        image = collection.open(place, at_least=THUMBNAIL)
        image.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2.0)
        image.info = {}
        file = BytesIO()
        image.save(file, "WEBP", quality=75, method=2)
        return file.getvalue()

    found = []
    with progress("small copies", len(collection)) as done:
        for one in in_order(small, range(len(collection)), held=AHEAD):
            found.append(one)
            done(1)
    return found
