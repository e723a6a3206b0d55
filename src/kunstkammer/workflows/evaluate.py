"""evaluate: how good a model is on a collection."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.models.run import Run
    from kunstkammer.workflows.gap import Asked, Compared
    from kunstkammer.workflows.measure import Measured, Setting

RESAMPLES = 1000
"""Of the bootstrap, for a checkpoint whose recipe is not known."""


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
    device: str | None = None,
) -> Measured | Compared:
    """Measure a model on a collection: every metric with its interval beside ZeroR, and a report.

    With several collections each is measured on its own, and the first, the reference, is compared with each other:
    the domain gap, figure by figure with intervals, and how far apart the features of the two lie.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        data, more: any form of a collection that `kunstkammer.read` knows.
        out: the folder for report.html, metrics.json and predictions.csv; RUN/evaluation-NAME where not given. With
            several collections it holds the comparison, and a folder for each of them.
        split: "auto" leaves out what the model saw when it was made (known again by content, however the files are
            called now) and takes the test part where there is one, else all the rest. Or "train", "validation",
            "test", "all", as the run has them; `seen_in_training` counts what the model saw.
        stability: on how many pictures slight changes are tried, 0 for none.
        paired: whether pictures of the same name in two collections belong together (a face as photograph and as
            drawing); where not given, they do when 90 % of the names of the larger one are in the other too, with
            the same labels.
        explainer: the method of the heat maps, None for none.
        label_column, label_separator, text_file: as for `kunstkammer.read`.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Returns:
        what was measured; for several collections that of the first, with `sets`, `gap` and `contrasts` beside it.

    Raises:
        DataError: where no picture has a label that the model knows, or the split is empty.
        ModelError: where the run cannot be opened.
    """
    from kunstkammer.evaluation.part import group_keys
    from kunstkammer.models.run import open_run
    from kunstkammer.registry import get
    from kunstkammer.workflows.gap import measure_sets, set_names
    from kunstkammer.workflows.measure import Setting, measure, usage

    if explainer is not None:
        get("explainers", explainer)
    checkpoint = open_run(run, device)
    options = {"label_column": label_column, "label_separator": label_separator, "text_file": text_file}
    asked = [_asked(checkpoint, one, split, options) for one in (data, *more)]
    groups = group_keys(checkpoint, [one.part for one in asked])
    recipe = checkpoint.facts.get("recipe") or {}
    setting = Setting(
        part="",
        title="",
        prior=checkpoint.label_prior,
        resamples=(recipe.get("evaluation") or {}).get("resamples", RESAMPLES),
        explainer=explainer,
        seed=recipe.get("seed", 0),
        stability=stability,
        usage=usage(Path(checkpoint.path)),
    )
    for i, one in enumerate(asked):
        found = one.part
        say(f"Measuring on {len(found.collection)} pictures ({found.name}) of {one.name}.")
        if found.left_out:
            say(f"{found.left_out} pictures of {one.name} are left out: the model saw them when it was made.")
        if found.set_aside:
            say(
                f"{found.set_aside} pictures of {one.name} are not measured: the training left them out (copies, or "
                "without a label); --split all takes them too."
            )
        asked[i] = replace(one, setting=_for_part(setting, checkpoint, one, None if groups is None else groups[i]))
    if not more:
        folder = Path(out) if out is not None else default_folder(run, asked[0].name)
        return measure(checkpoint, asked[0].part.collection, folder, asked[0].setting)
    told = set_names([one.name for one in asked], (data, *more))
    asked = [one.called(name) for one, name in zip(asked, told, strict=True)]
    folder = Path(out) if out is not None else default_folder(run, "-vs-".join(told))
    return measure_sets(checkpoint, asked, folder, paired=paired)


def _asked(checkpoint: Run, data: Any, split: str, options: dict[str, Any]) -> Asked:
    """Read a collection, choose its part, and see which of its labels the model knows."""
    from kunstkammer.evaluation.part import choose_part
    from kunstkammer.workflows.gap import Asked

    collection = _read(checkpoint, data, options)
    known = set(collection.label_names) & set(checkpoint.label_names)
    if not known:
        raise DataError(
            f"The model knows {_some(checkpoint.label_names)}, {collection.name} has {_some(collection.label_names)}: "
            "no label in common, so nothing can be measured."
        )
    unknown = tuple(name for name in collection.label_names if name not in known)
    return Asked(collection.name, choose_part(checkpoint, collection, split), unknown)


def _read(checkpoint: Run, data: Any, options: dict[str, Any]) -> Collection:
    """Read a collection; its labels stand where those of the run's own collection stood, unless the user says where."""
    from kunstkammer.data.readers import read

    own = ((checkpoint.facts.get("recipe") or {}).get("data") or {}).get("label_column")
    if own is None or options["label_column"] is not None:
        return read(data, **options)
    try:
        return read(data, **options)
    except DataError:
        return read(data, **{**options, "label_column": own})


def _for_part(setting: Setting, checkpoint: Run, asked: Asked, groups: np.ndarray | None) -> Setting:
    """Return the setting of one collection, with what its reader must know."""
    from kunstkammer.evaluation.notes import Note
    from kunstkammer.evaluation.part import lacks_groups

    part, notes = asked.part, []
    if part.seen:
        notes.append(Note("seen_in_training", count=part.seen, all=len(part.collection)))
    if part.related:
        columns = ", ".join(checkpoint.group_columns)
        notes.append(Note("groups_seen", count=part.related, all=len(part.collection), columns=columns))
    if part.seen is None:
        notes.append(Note("learned_unknown"))
    if lacks_groups(checkpoint, [part]):
        notes.append(Note("groups_unknown", columns=", ".join(checkpoint.group_columns)))
    return replace(
        setting,
        part=part.name,
        title=asked.name,
        groups=None if groups is None else groups.tolist(),
        seen=part.seen,
        warnings=notes,
    )


def default_folder(run: str | Path, name: str) -> Path:
    """Return RUN/evaluation-NAME for a local run, evaluation-NAME here for a hub id."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "collection"
    return (Path(run) if Path(run).is_dir() else Path()) / f"evaluation-{safe[:80]}"


def _some(names: Any, most: int = 6) -> str:
    names = list(names)
    return (", ".join(map(str, names[:most])) + (" ..." if len(names) > most else "")) or "none"
