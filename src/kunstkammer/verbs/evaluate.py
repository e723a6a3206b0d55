"""evaluate: how good a model is on a collection."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError, guess
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.models.run import Run
    from kunstkammer.verbs.gap import Asked, Compared
    from kunstkammer.verbs.measure import Measured, Setting

SPLITS = ("auto", "train", "validation", "test", "all")


def evaluate(
    run: str | Path,
    data: Any,
    *more: Any,
    out: str | Path | None = None,
    split: str = "auto",
    stability: int = 100,
    paired: bool | None = None,
    explainer: str | None = "grad-cam",
    label_column: str | None = None,
    label_separator: str | None = None,
    text_file: str | Path | None = None,
) -> Measured | Compared:
    """Measure a model on a collection: every metric with its interval beside ZeroR, and a report.

    With several collections each is measured on its own, and the first, the reference, is compared with each other:
    the domain gap, figure by figure with intervals, and how far apart the features of the two lie.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        data, more: any form of a collection that `kunstkammer.read` knows.
        out: the folder for report.html, metrics.json and predictions.csv; RUN/evaluation-NAME where not given. With
            several collections it holds the comparison, and a folder for each of them.
        split: "auto" takes the test part where there is one: the run's own for the collection that it learnt from, the
            collection's own otherwise, and all of it where it has none. Or "train", "validation", "test", "all".
        stability: on how many pictures slight changes are tried, 0 for none.
        paired: whether pictures of the same name in two collections belong together (a face as photograph and as
            drawing); where not given, they do when 90 % of the names of the larger one are in the other too, with
            the same labels.
        explainer: the method of the heat maps, None for none.
        label_column, label_separator, text_file: as for `kunstkammer.read`.

    Returns:
        what was measured; for several collections that of the first, with `sets`, `gap` and `contrasts` beside it.

    Raises:
        DataError: where no picture has a label that the model knows, or the split is empty.
        ModelError: where the run cannot be opened.
    """
    from kunstkammer.models.run import open_run
    from kunstkammer.registry import get
    from kunstkammer.verbs.gap import measure_sets, set_names
    from kunstkammer.verbs.measure import measure

    if split not in SPLITS:
        raise DataError(f"There is no split '{split}'.{guess(split, SPLITS)} Known: {', '.join(SPLITS)}.")
    if explainer is not None:
        get("explainers", explainer)
    checkpoint = open_run(run)
    options = {"label_column": label_column, "label_separator": label_separator, "text_file": text_file}
    asked = [_asked(checkpoint, one, split, options) for one in (data, *more)]
    setting = _setting(checkpoint, asked[0], stability=stability, explainer=explainer)
    for one in asked:
        say(f"Measuring on {len(one.collection)} pictures ({one.part}) of {one.name}.")
    if not more:
        folder = Path(out) if out is not None else default_folder(run, asked[0].name)
        return measure(checkpoint, asked[0].collection, folder, setting)
    told = set_names([one.name for one in asked], (data, *more))
    asked = [replace(one, name=name) for one, name in zip(asked, told, strict=True)]
    folder = Path(out) if out is not None else default_folder(run, "-vs-".join(told))
    return measure_sets(checkpoint, asked, folder, setting, paired=paired)


def _asked(checkpoint: Run, data: Any, split: str, options: dict[str, Any]) -> Asked:
    """Read a collection, choose its part, and see which of its labels the model knows."""
    from kunstkammer.data.readers import read
    from kunstkammer.verbs.gap import Asked

    collection = read(data, **options)
    known = set(collection.label_names) & set(checkpoint.label_names)
    if not known:
        raise DataError(
            f"The model knows {_some(checkpoint.label_names)}, {collection.name} has {_some(collection.label_names)}: "
            "no label in common, so nothing can be measured."
        )
    part, chosen = choose_part(checkpoint, collection, split)
    return Asked(collection.name, part, chosen, tuple(name for name in collection.label_names if name not in known))


def _setting(checkpoint: Run, asked: Asked, *, stability: int, explainer: str | None) -> Setting:
    from kunstkammer.verbs.measure import Setting, usage

    prior = checkpoint.facts.get("label_prior")
    return Setting(
        part=asked.part,
        title=asked.name,
        prior=np.asarray(prior) if prior is not None else None,
        explainer=explainer,
        stability=stability,
        usage=usage(Path(checkpoint.path)),
    )


def default_folder(run: str | Path, name: str) -> Path:
    """Return RUN/evaluation-NAME for a local run, evaluation-NAME here for a hub id."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "collection"
    return (Path(run) if Path(run).is_dir() else Path()) / f"evaluation-{safe[:80]}"


def choose_part(checkpoint: Run, collection: Collection, split: str) -> tuple[str, Collection]:
    """Return which part is measured and its pictures; pictures that the model learnt from are never in "auto"."""
    parts = own_parts(checkpoint, collection) or collection.splits
    if split == "all" or (split == "auto" and "test" not in parts):
        return "all", collection
    wanted = "test" if split == "auto" else split
    rows = [i for i, part in enumerate(parts) if part == wanted]
    if not rows:
        raise DataError(f"{collection.name} has no {wanted} part; its parts are {_some(sorted(set(parts) - {''}))}.")
    return wanted, collection.select(rows)


def own_parts(checkpoint: Run, collection: Collection) -> list[str] | None:
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
