"""What a model says about pictures: a table of probabilities, and the way there without waiting for the decoder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kunstkammer.data.decoding import in_windows
from kunstkammer.data.plates import make_plate
from kunstkammer.errors import DataError, PictureError
from kunstkammer.evaluation import tables
from kunstkammer.evaluation.tables import UNLABELLED
from kunstkammer.metrics.decisions import decide
from kunstkammer.progress import progress, say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import Plates, PlateSettings
    from kunstkammer.models.run import Run

WINDOW_BATCHES = 8
"""Batches that are decoded, and held in memory, at a time."""

Batch = tuple[list[int], torch.Tensor]


@dataclass
class Predictions:
    """What a model says about N pictures and K labels.

    Attributes:
        files: the names of the pictures.
        label_names: the labels, in the order of the columns.
        probabilities: float64 (N, K) in 0..1; rows add up to 1 unless `multi_label`.
        targets: int64 (N,) for one label a picture, float32 (N, K) of 0 and 1 for many; -1 where the truth is not
            known; None where it is not known at all.
        multi_label: whether a picture can have several labels.
        thresholds: float64 (K,), with many labels the probability above which each is predicted; None for 0.5 each.
    """

    files: list[str]
    label_names: tuple[str, ...]
    probabilities: np.ndarray
    targets: np.ndarray | None = None
    multi_label: bool = False
    thresholds: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.files = list(self.files)
        self.label_names = tuple(self.label_names)
        self.probabilities = np.asarray(self.probabilities, dtype=np.float64)
        shape = (len(self.files), len(self.label_names))
        if self.probabilities.shape != shape:
            raise DataError(
                f"Predictions of {shape[0]} pictures and {shape[1]} labels need probabilities of shape {shape}, "
                f"not {self.probabilities.shape}."
            )
        if self.targets is not None:
            self.targets = np.asarray(self.targets)
            wanted = shape if self.multi_label else shape[:1]
            if self.targets.shape != wanted:
                raise DataError(f"The targets need shape {wanted}, not {self.targets.shape}.")
        if self.thresholds is not None:
            self.thresholds = np.asarray(self.thresholds, dtype=np.float64)
            if not self.multi_label or self.thresholds.shape != shape[1:]:
                raise DataError(f"{shape[1]} labels need as many thresholds, where a picture can have several.")

    def __len__(self) -> int:
        return len(self.files)

    def select(self, indices: Sequence[int] | np.ndarray) -> Predictions:
        """Return the predictions for some of the pictures, in the order given."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        targets = None if self.targets is None else self.targets[chosen]
        files = [self.files[i] for i in chosen]
        return replace(self, files=files, probabilities=self.probabilities[chosen], targets=targets)

    def places(self, files: Sequence[str]) -> np.ndarray:
        """Return where each of these pictures stands in `files`, the names of a collection: int64 (N,).

        Raises `DataError` for a picture that is not among them.
        """
        place = {file: i for i, file in enumerate(files)}
        missing = next((file for file in self.files if file not in place), None)
        if missing is not None:
            raise DataError(f"There is a prediction for {missing}, which the collection does not have.")
        return np.array([place[file] for file in self.files], dtype=np.int64)

    def known(self) -> np.ndarray:
        """Return bool (N,): whether the truth of a picture is known."""
        if self.targets is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(np.reshape(self.targets >= 0, (len(self), -1)).all(axis=1))

    def decided(self) -> np.ndarray:
        """Return the predicted labels, bool (N, K): the most probable one, or with many all above their thresholds."""
        return decide(self.probabilities, multi_label=self.multi_label, thresholds=self.thresholds)

    def predicted(self, index: int) -> tuple[str, ...]:
        """Return the labels predicted for one picture, see `decided`."""
        row = self.probabilities[index][None]
        chosen = decide(row, multi_label=self.multi_label, thresholds=self.thresholds)[0]
        return tuple(self.label_names[k] for k in np.flatnonzero(chosen))

    def labels(self, index: int, top: int) -> list[dict[str, Any]]:
        """Return the `top` most probable labels of one picture, and with many labels all that are predicted.

        Each has its probability and whether it is predicted.
        """
        row = self.probabilities[index]
        said = decide(row[None], multi_label=self.multi_label, thresholds=self.thresholds)[0]
        order = np.argsort(-row, kind="stable")
        shown = [k for rank, k in enumerate(order) if rank < max(top, 1) or said[k]]
        return [{"label": self.label_names[k], "probability": float(row[k]), "predicted": bool(said[k])} for k in shown]

    def truth(self, index: int) -> tuple[str, ...] | None:
        """Return the true labels of one picture, or None where they are not known."""
        if self.targets is None or np.any(self.targets[index] < 0):
            return None
        chosen = np.flatnonzero(self.targets[index]) if self.multi_label else [int(self.targets[index])]
        return tuple(self.label_names[k] for k in chosen)

    def to_json(self, top: int = 5) -> list[dict[str, Any]]:
        """Return the `predictions` list of the command: each picture with its labels, see `labels`.

        >>> Predictions(["a.png"], ("comic", "manga"), np.array([[0.2, 0.8]])).to_json(top=1)
        [{'file': 'a.png', 'labels': [{'label': 'manga', 'probability': 0.8, 'predicted': True}]}]
        """
        return [{"file": file, "labels": self.labels(i, top)} for i, file in enumerate(self.files)]

    def save(self, path: str | Path) -> Path:
        """Write a CSV or JSONL file, whole or not at all; the format follows the suffix (see `tables`).

        Raises `DataError` for another suffix, `ResourceError` when the disk refuses.
        """
        return tables.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, multi_label: bool | None = None) -> Predictions:
        """Read what `save` wrote. A CSV file does not say whether a picture can have many labels: without
        `multi_label` that is seen from its rows, which add up to 1 when it cannot.
        """
        return cls(**tables.load(Path(path), multi_label)._asdict())


def predict_collection(
    checkpoint: Run,
    collection: Collection,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    show_progress: bool = True,
    plates: Plates | None = None,
) -> tuple[Predictions, list[PictureError]]:
    """Let a model look at every picture of a collection.

    Pictures are decoded by `workers` threads (default: one a core), a few batches at a time: ahead of a model on
    another device, in turn with one on the processor. With `plates` nothing is decoded.

    Returns the predictions in the order of the collection, without the pictures that could not be read, and one
    `PictureError` for each of those. Targets are those of the collection in the label order of the checkpoint; a
    picture whose labels the model does not know has -1. Probabilities and thresholds are the run's. A scene model
    reads the text of the collection too.
    """
    if batch_size < 1:
        raise DataError(f"batch_size must be at least 1, not {batch_size}.")
    errors: list[PictureError] = []
    if plates is not None:
        batches = _stored(plates, checkpoint.plate_settings, len(collection), batch_size)
        errors.extend(plates.unreadable)
    else:
        batches = _decoded(
            collection,
            checkpoint.plate_settings,
            batch_size,
            workers or os.cpu_count() or 1,
            errors,
            ahead=_on_accelerator(checkpoint),
        )
    extras = checkpoint.extras(collection)
    if checkpoint.text is not None and not extras:
        say("There is no text beside the pictures: this scene model answers from the pictures alone.")
    read: list[int] = []
    rows: list[np.ndarray] = []
    with progress("Predicting", len(collection)) if show_progress else _silent() as advance:
        for indices, pixels in batches:
            more = {name: values[indices] for name, values in extras.items()}
            rows.append(checkpoint.probabilities(pixels, **more))
            read.extend(indices)
            advance(len(indices))
    width = len(checkpoint.label_names)
    probabilities = np.concatenate(rows) if rows else np.zeros((0, width))
    targets = align_targets(collection, checkpoint.label_names, checkpoint.multi_label)
    files = collection.files
    predictions = Predictions(
        [files[i] for i in read],
        tuple(checkpoint.label_names),
        probabilities,
        None if targets is None else targets[read],
        checkpoint.multi_label,
        checkpoint.thresholds,
    )
    return predictions, errors


def _on_accelerator(checkpoint: Run) -> bool:
    """Say whether a model runs elsewhere than on the processor."""
    first = next(checkpoint.model.parameters(), None)
    return first is not None and first.device.type != "cpu"


def align_targets(collection: Collection, label_names: Sequence[str], multi_label: bool) -> np.ndarray | None:
    """Return the truth of a collection in a model's order of labels.

    int64 (N,) or float32 (N, K) as in `Predictions`. For one label a picture, -1 stands where there is none, or one
    that the model does not know, or several. For many, labels that the model does not know are not asked for; a picture
    without any has -1 unless the collection is one where a picture may carry none. None where no label is known.
    """
    place = {name: k for k, name in reversed(list(enumerate(label_names)))}  # the first of two equal names
    labels: list[list[str]] = collection.column("labels")
    if not any(name in place for names in labels for name in names):
        return None
    if not multi_label:
        return np.array([place.get(names[0], UNLABELLED) if len(names) == 1 else UNLABELLED for names in labels])
    targets = np.zeros((len(labels), len(label_names)), dtype=np.float32)
    for i, names in enumerate(labels):
        if not names and not collection.multi_label:
            targets[i] = UNLABELLED
        targets[i, [place[name] for name in names if name in place]] = 1
    return targets


def _stored(plates: Plates, settings: PlateSettings, count: int, batch_size: int) -> Iterator[Batch]:
    """Yield batches of plates that were made before."""
    if len(plates) != count or plates.settings != settings:
        raise DataError(
            f"The plates ({len(plates)}, {plates.settings}) do not fit the model and the collection "
            f"({count}, {settings}); make them again."
        )
    readable = np.flatnonzero(plates.readable)
    for start in range(0, len(readable), batch_size):
        indices = readable[start : start + batch_size]
        yield indices.tolist(), plates[indices]


def _decoded(
    collection: Collection,
    settings: PlateSettings,
    batch_size: int,
    workers: int,
    errors: list[PictureError],
    *,
    ahead: bool,
) -> Iterator[Batch]:
    """Yield batches that threads decode, a window of a few batches at a time; unreadable pictures go to `errors`.

    `ahead` as for `in_windows`.
    """
    files = collection.files

    def plate(i: int) -> np.ndarray:
        return make_plate(collection.source(i), settings, files[i])

    window = WINDOW_BATCHES * batch_size
    for found in in_windows(plate, len(collection), window, errors, ahead=ahead, workers=workers):
        for first in range(0, len(found), batch_size):
            indices, plates = zip(*found[first : first + batch_size], strict=True)
            yield list(indices), torch.from_numpy(np.stack(plates))


class _silent:  # noqa: N801 - a context manager used like the function `progress`
    def __enter__(self) -> Any:
        return lambda n: None

    def __exit__(self, *_: object) -> None:
        return None
