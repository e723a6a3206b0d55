"""explain: where in a picture the model saw what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.errors import DataError, PictureError
from kunstkammer.progress import progress, say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.models.checkpoint import Checkpoint

BATCH = 16


@dataclass(frozen=True)
class ExplainResult:
    """What `explain` returns: a row a picture and method."""

    maps: list[dict[str, str]]
    unreadable: list[PictureError]
    out: Path

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        unreadable = [{"file": error.file, "cause": error.cause} for error in self.unreadable]
        return {"maps": self.maps, "unreadable": unreadable, "out": str(self.out)}

    def to_text(self) -> str:
        """Return a line a heat map."""
        return "\n".join(f"{row['file']} ({row['method']}, {row['target']}): {row['png']}" for row in self.maps)


def explain(
    run: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    method: str | Sequence[str] = "grad-cam",
    target: str | None = None,
) -> ExplainResult:
    """Show where in pictures a model saw what it says.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        paths: pictures, and folders of pictures.
        out: the folder for the heat maps: a PNG (laid over the picture, captioned) and an NPY (float32, raw) each.
        method: names of registered explainers, as a list or joined by commas; "all" for all.
        target: the label to explain; the predicted one where not given.

    Raises:
        UnknownNameError: for a method or label that there is not, with the nearest guess.
        DataError: where no picture can be read.
    """
    from kunstkammer.evaluation.predictions import predict_collection
    from kunstkammer.models.checkpoint import open_checkpoint
    from kunstkammer.verbs.pictures import collection_of

    methods = _methods(method)
    collection = collection_of(paths)
    checkpoint = open_checkpoint(run)
    chosen = _target(checkpoint, target)
    predictions, unreadable = predict_collection(checkpoint, collection, show_progress=False)
    for error in unreadable:
        say(f"Unreadable, left out: {error}")
    if not len(predictions):
        raise DataError(f"None of the {len(collection)} pictures can be read; the first: {unreadable[0]}")
    best = {file: int(row.argmax()) for file, row in zip(predictions.files, predictions.probabilities, strict=True)}
    readable = [i for i, file in enumerate(collection.files) if file in best]
    names = _names([collection.files[i] for i in readable])
    rows: list[dict[str, str]] = []
    with progress("explaining", len(readable) * len(methods)) as advance:
        for name in methods:
            for start in range(0, len(readable), BATCH):
                part = readable[start : start + BATCH]
                rows += _explain_batch(checkpoint, collection, part, name, chosen, best, names, Path(out))
                advance(len(part))
    return ExplainResult(rows, unreadable, Path(out))


def _explain_batch(
    checkpoint: Checkpoint,
    collection: Collection,
    indices: list[int],
    method: str,
    target: int | None,
    best: dict[str, int],
    names: dict[str, str],
    out: Path,
) -> list[dict[str, str]]:
    from kunstkammer.explanation.figure import save_map
    from kunstkammer.pictures.overlay import caption
    from kunstkammer.verbs.overlays import explained

    rows = []
    found = explained(checkpoint, collection, indices, method, target)
    for i, item in zip(indices, found, strict=True):
        file = collection.files[i]
        label = checkpoint.label_names[best[file] if target is None else target]
        said = f"PRED: {checkpoint.label_names[best[file]]}"
        text = said if target is None else f"{said}; shown: {label}"
        png, array = save_map(out / f"{names[file]}.{method}", item.heat, caption(item.overlay, text))
        rows.append({"file": file, "method": method, "target": label, "png": str(png), "array": str(array)})
    return rows


def _methods(method: str | Sequence[str]) -> list[str]:
    """Return the explainers asked for; unknown ones raise."""
    from kunstkammer.registry import get, names

    asked = [part.strip() for part in method.split(",")] if isinstance(method, str) else list(method)
    if asked == ["all"]:
        return names("explainers")
    for name in asked:
        get("explainers", name)
    return list(dict.fromkeys(asked))


def _target(checkpoint: Checkpoint, target: str | None) -> int | None:
    from kunstkammer.errors import unknown_name

    if target is None:
        return None
    if target not in checkpoint.label_names:
        raise unknown_name("label", target, checkpoint.label_names)
    return checkpoint.label_names.index(target)


def _names(files: list[str]) -> dict[str, str]:
    """Return a file name for each picture's heat maps: its own stem, numbered where two pictures share one."""
    taken: set[str] = set()
    names = {}
    for file in files:
        stem = re.sub(r"[^\w .()-]+", "_", Path(file).stem)[:120] or "picture"
        name, number = stem, 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.lower())
        names[file] = name
    return names
