"""evaluate: how good a model is on a collection."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError, guess
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.models.checkpoint import Checkpoint
    from kunstkammer.verbs.measure import Measured

SPLITS = ("auto", "train", "validation", "test", "all")


def evaluate(
    run: str | Path,
    data: Any,
    *,
    out: str | Path | None = None,
    split: str = "auto",
    explainer: str | None = "grad-cam",
    label_column: str | None = None,
    label_separator: str | None = None,
    text_file: str | Path | None = None,
) -> Measured:
    """Measure a model on a collection: every metric with its interval beside ZeroR, and a report.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        data: any form of a collection that `kunstkammer.read` knows.
        out: the folder for report.html, metrics.json and predictions.csv; RUN/evaluation-NAME where not given.
        split: "auto" takes the test part where there is one: the run's own for the collection that it learnt from, the
            collection's own otherwise, and all of it where it has none. Or "train", "validation", "test", "all".
        explainer: the method of the heat maps, None for none.
        label_column, label_separator, text_file: as for `kunstkammer.read`.

    Raises:
        DataError: where no picture has a label that the model knows, or the split is empty.
        ModelError: where the run cannot be opened.
    """
    from kunstkammer.data.readers import read
    from kunstkammer.models.checkpoint import open_checkpoint
    from kunstkammer.registry import get
    from kunstkammer.verbs.measure import Setting, measure, usage

    if split not in SPLITS:
        raise DataError(f"There is no split '{split}'.{guess(split, SPLITS)} Known: {', '.join(SPLITS)}.")
    if explainer is not None:
        get("explainers", explainer)
    checkpoint = open_checkpoint(run)
    collection = read(data, label_column=label_column, label_separator=label_separator, text_file=text_file)
    known = set(collection.label_names) & set(checkpoint.label_names)
    if not known:
        raise DataError(
            f"The model knows {_some(checkpoint.label_names)}, the collection has {_some(collection.label_names)}: "
            "no label in common, so nothing can be measured."
        )
    part, chosen = choose_part(checkpoint, collection, split)
    say(f"Measuring on {len(chosen)} pictures ({part}).")
    prior = checkpoint.facts.get("label_prior")
    setting = Setting(
        part=part,
        title=collection.name,
        prior=np.asarray(prior) if prior is not None else None,
        explainer=explainer,
        usage=usage(Path(run)),
    )
    folder = Path(out) if out is not None else default_folder(run, collection.name)
    return measure(checkpoint, chosen, folder, setting)


def default_folder(run: str | Path, name: str) -> Path:
    """Return RUN/evaluation-NAME for a local run, evaluation-NAME here for a hub id."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "collection"
    return (Path(run) if Path(run).is_dir() else Path()) / f"evaluation-{safe[:80]}"


def choose_part(checkpoint: Checkpoint, collection: Collection, split: str) -> tuple[str, Collection]:
    """Return which part is measured and its pictures; pictures that the model learnt from are never in "auto"."""
    parts = own_parts(checkpoint, collection) or collection.splits
    if split == "all" or (split == "auto" and "test" not in parts):
        return "all", collection
    wanted = "test" if split == "auto" else split
    rows = [i for i, part in enumerate(parts) if part == wanted]
    if not rows:
        raise DataError(f"{collection.name} has no {wanted} part; its parts are {_some(sorted(set(parts) - {''}))}.")
    return wanted, collection.select(rows)


def own_parts(checkpoint: Checkpoint, collection: Collection) -> list[str] | None:
    """Return the parts that a run made of this very collection, None if it learnt from another one.

    A collection is known again by its files: those of `split.csv` that lie in it. So a model is never measured by
    mistake on pictures that it learnt from.
    """
    from kunstkammer.training.run_folder import SPLIT_FILE, read_split

    file = Path(checkpoint.path) / SPLIT_FILE
    if not file.is_file():
        return None
    parts = {row.file: row.part for row in read_split(file)}
    same = sum(name in parts for name in collection.files)
    if checkpoint.facts.get("data", {}).get("name") != collection.name or same < 0.5 * len(collection):
        return None
    return [parts.get(name, "") for name in collection.files]


def _some(names: Any, most: int = 6) -> str:
    names = list(names)
    return (", ".join(map(str, names[:most])) + (" ..." if len(names) > most else "")) or "none"
