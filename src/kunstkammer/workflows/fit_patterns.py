"""fit-patterns: what each layer of a model is about, once and for all explanations by patterns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError, ModelError, PictureError
from kunstkammer.progress import say

if TYPE_CHECKING:
    from torch import Tensor

    from kunstkammer.data.plates import Plates
    from kunstkammer.explanation.patterns.store import Patterns
    from kunstkammer.models.run import Run

BATCH = 32


@dataclass(frozen=True)
class FittedPatterns:
    """What `fit_patterns` returns.

    Attributes:
        path: the file that was written.
        estimator: "two-component", "linear" or "negative".
        part: which part of the collection: "train", or "all" where it has none.
        pictures: how many pictures were used.
        outputs: the name of a weight -> how many outputs its layer has.
        dead: the same -> how many of them have no pattern, as they were never active or never varied.
        unreadable: the pictures that could not be read.
    """

    path: Path
    estimator: str
    part: str
    pictures: int
    outputs: dict[str, int]
    dead: dict[str, int]
    unreadable: list[PictureError] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        layers = [{"weight": name, "outputs": n, "dead": self.dead[name]} for name, n in self.outputs.items()]
        return {
            "patterns": str(self.path),
            "estimator": self.estimator,
            "part": self.part,
            "pictures": self.pictures,
            "layers": layers,
            "unreadable": [{"file": error.file, "cause": error.cause} for error in self.unreadable],
        }

    def to_text(self) -> str:
        """Return what was fitted, how many outputs never spoke, and what comes next."""
        dead, outputs = sum(self.dead.values()), sum(self.outputs.values())
        lines = [
            f"Patterns of {len(self.outputs)} layers ({self.estimator}) from {self.pictures} pictures ({self.part}).",
            f"{dead} of {outputs} outputs were never active on them, or never varied, and have no pattern.",
            f"Written: {self.path}",
            f"Next: kunstkammer explain {self.path.parent} PICTURES --method pattern-net,pattern-attribution --out OUT",
        ]
        return "\n".join(lines)


def fit_patterns(
    run: str | Path,
    data: Any,
    *,
    pictures: int | None = None,
    estimator: str = "two-component",
    label_column: str | None = None,
    label_separator: str | None = None,
    seed: int = 0,
    device: str | None = None,
) -> FittedPatterns:
    """Fit the patterns of a model on training pictures and write RUN/patterns.safetensors, whole or not at all.

    Args:
        run: a run folder or a checkpoint folder.
        data: any form of a collection that `kunstkammer.read` knows, best the one that the model learnt from: then
            its training part is used (the run's own, or the collection's), else all of it.
        pictures: use so many of them, drawn at random; all where not given.
        estimator: "two-component", "linear" or "negative", see `kunstkammer.explanation.fit_patterns`.
        label_column, label_separator: as for `kunstkammer.read`.
        seed: of the drawing.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    A scene model's patterns are those of the picture alone.

    Raises:
        UnknownNameError: no such estimator.
        DataError: no picture can be read.
        ModelError: the run cannot be opened, or is no folder.
    """
    from kunstkammer.data.plates import make_plates
    from kunstkammer.data.readers import read
    from kunstkammer.evaluation.part import training_part
    from kunstkammer.explanation.patterns.fit import fit_patterns as fit
    from kunstkammer.explanation.patterns.statistics import check_estimator
    from kunstkammer.models.folders import is_folder
    from kunstkammer.models.run import open_run

    check_estimator(estimator)
    if pictures is not None and pictures < 1:
        raise DataError(f"pictures is {pictures}; give at least 1.")
    if not is_folder(run):
        raise ModelError(f"{run} is no folder to keep patterns in; fetch the checkpoint into a folder first.")
    checkpoint = open_run(run, device)
    part = training_part(checkpoint, read(data, label_column=label_column, label_separator=label_separator))
    chosen = part.collection
    if part.name != "train" and checkpoint.learned is not None:
        say(f"{run} was not trained on any picture of {chosen.name}: the patterns are those of other pictures.")
    if pictures is not None and pictures < len(chosen):
        order = np.random.default_rng(seed).permutation(len(chosen))
        chosen = chosen.select(np.sort(order[:pictures]))
    plates = make_plates(chosen, checkpoint.plate_settings, show_progress=False)
    for error in plates.unreadable:
        say(f"Unreadable, left out: {error}")
    batches = _Batches(checkpoint, plates)
    if not len(batches):
        raise DataError(f"None of the {len(chosen)} pictures can be read; the first: {plates.unreadable[0]}")
    found = fit(checkpoint.model, batches, estimator)
    dead = {name: int((~tensor.flatten(1).any(1)).sum()) for name, tensor in found.tensors.items()}
    outputs = {name: len(tensor) for name, tensor in found.tensors.items()}
    path = found.save(run)
    return FittedPatterns(path, estimator, part.name, found.pictures, outputs, dead, list(plates.unreadable))


def pattern_options(checkpoint: Run, method: str, *, with_text: bool = False) -> dict[str, Any]:
    """Return the option `patterns` for a method that takes it, from the file in the run's folder; else {}.

    Raises `ModelError` where the method needs patterns and there are none, or where a scene model answers with text:
    its patterns are those of the picture alone.
    """
    from kunstkammer.explanation.interface import option_names
    from kunstkammer.explanation.patterns.store import PATTERNS_FILE, Patterns
    from kunstkammer.registry import get

    if "patterns" not in option_names(get("explainers", method)):
        return {}
    if with_text:
        raise ModelError(
            f"{method} explains what a scene model says of the picture alone; give the pictures without their text."
        )
    file = Path(checkpoint.path) / PATTERNS_FILE
    if not file.is_file():
        Patterns.load(file)  # raises, and says how to fit them
    return {"patterns": _loaded(str(file), file.stat().st_mtime_ns)}


@lru_cache(maxsize=1)
def _loaded(file: str, _changed: int) -> Patterns:
    from kunstkammer.explanation.patterns.store import Patterns

    return Patterns.load(file)


class _Batches:
    """The readable plates of a collection as batches of the model's input."""

    def __init__(self, checkpoint: Run, plates: Plates) -> None:
        self._checkpoint, self._plates = checkpoint, plates
        self._rows = np.flatnonzero(plates.readable)

    def __len__(self) -> int:
        return (len(self._rows) + BATCH - 1) // BATCH

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self._rows), BATCH):
            yield self._checkpoint.prepare(self._plates[self._rows[start : start + BATCH]])
