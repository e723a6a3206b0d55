"""Which picture is in which part of an experiment: readable, labelled, no duplicate across parts, groups kept whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.copies import duplicate_groups
from kunstkammer.data.groups import join_groups, names_a_group
from kunstkammer.data.split import carve_validation, plan_split
from kunstkammer.errors import DataError
from kunstkammer.models.run_files import STYLE, SplitRow
from kunstkammer.training.additions import own_rows, place_additions

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.training.recipe import DataSettings, Recipe

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Crossing:
    """Groups (titles, artists, dies) that the splits of the collection itself have on both sides.

    Attributes:
        columns: what the recipe groups by.
        tested: groups of the test part that are learned from too (in training or validation), by name, sorted.
        of: how many groups the test part has.
        pictures: how many test pictures belong to them.
        validated: groups of validation that are in training too, by name, sorted.
    """

    columns: tuple[str, ...]
    tested: tuple[str, ...]
    of: int
    pictures: int
    validated: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return what `run.json` says of it."""
        return {
            "columns": list(self.columns),
            "groups": len(self.tested),
            "of": self.of,
            "pictures": self.pictures,
            "examples": list(self.tested[:12]),
            "validation_groups": len(self.validated),
        }


@dataclass(frozen=True)
class Parts:
    """The parts of an experiment.

    Attributes:
        rows: a row a picture of the collection, part "" where a picture is left out.
        notes: sentences on what was done and why.
        crossing: the groups of the recipe that given splits have cut; None where none is, or nothing was asked for.
    """

    rows: list[SplitRow]
    notes: list[str] = field(default_factory=list)
    crossing: Crossing | None = None

    def indices(self, part: str) -> np.ndarray:
        """Return the places in the collection of the pictures of a part."""
        return np.array([i for i, row in enumerate(self.rows) if row.part == part], dtype=np.int64)

    def counts(self) -> dict[str, int]:
        """Return how many pictures each part has."""
        found = Counter(row.part for row in self.rows)
        return {part: found[part] for part in PARTS}


def plan_parts(collection: Collection, seen: Survey, settings: DataSettings, seed: int) -> Parts:
    """Return the parts for a collection.

    Splits that the collection brings along are kept; of duplicates across them, the copy outside the test part (and
    then outside validation) is left out. Without them, pictures are split by the recipe's shares, stratified by label,
    with duplicates and equal values of the recipe's group columns kept together. A missing validation part is carved
    from training; without a test part one is carved too. Groups that the given splits cut stay cut: they are named in
    `crossing`.

    Pictures that were added (`data.additions`) change nothing of this: they go to training, see `place_additions`.

    Raises `DataError` where a class would be missing from training, where nothing is left to learn from or to test on,
    or where none of the pictures of the test part has a label.
    """
    own = own_rows(collection)
    if len(own) == len(collection):
        parts, groups, notes = _plan(collection, seen, settings, seed)
    else:
        parts, groups, notes = _plan_with_additions(collection, seen, settings, seed, own)
    _require_classes(collection, parts)
    labels = collection.labels
    rows = [
        SplitRow(file, part, tuple(labels[i]), int(groups[i]), seen.sha256[i])
        for i, (file, part) in enumerate(zip(collection.files, parts, strict=True))
    ]
    crossing = find_crossing(collection, parts, settings.groups) if _keeps_splits(collection, parts) else None
    return Parts(rows, notes, crossing)


def _keeps_splits(collection: Collection, parts: list[str]) -> bool:
    """Say whether the test part is the collection's own and not drawn by us, which keeps groups whole."""
    return all(collection.splits[i] == "test" for i, part in enumerate(parts) if part == "test")


def find_crossing(collection: Collection, parts: list[str], columns: Sequence[str]) -> Crossing | None:
    """Return which groups of the columns are on both sides of the parts; None without any."""
    if not columns:
        return None
    values = [collection.column(column) for column in columns]
    groups = join_groups(*values)
    here = np.array(parts)
    test, seen = set(groups[here == "test"].tolist()), set(groups[(here == "train") | (here == "validation")].tolist())
    inner = set(groups[here == "validation"].tolist()) & set(groups[here == "train"].tolist())
    if "validation" not in collection.splits:  # drawn by us, with a note of its own where groups did not suffice
        inner = set()
    if not (test & seen or inner):
        return None
    names: dict[int, str] = {}
    for i, group in enumerate(groups.tolist()):
        names.setdefault(group, next((str(v[i]) for v in values if names_a_group(v[i])), collection.files[i]))
    return Crossing(
        tuple(columns),
        tuple(sorted(names[group] for group in test & seen)),
        len(test),
        int(((here == "test") & np.isin(groups, list(test & seen))).sum()),
        tuple(sorted(names[group] for group in inner)),
    )


def _plan_with_additions(
    collection: Collection, seen: Survey, settings: DataSettings, seed: int, own: np.ndarray
) -> tuple[list[str], np.ndarray, list[str]]:
    """Return parts, groups and notes: the own pictures as without additions, and where the others go."""
    own_parts, own_groups, notes = _plan(collection.select(own), seen.select(own), settings, seed)
    parts = [""] * len(collection)
    for i, part in zip(own, own_parts, strict=True):
        parts[i] = part
    placed = place_additions(collection, seen, parts, settings.groups)
    copies = duplicate_groups(seen)
    groups = copies + (own_groups.max() + 1 if len(own) else 0)
    of_copies = dict(zip(copies[own].tolist(), own_groups.tolist(), strict=True))
    groups = np.array([of_copies.get(copy, group) for copy, group in zip(copies, groups, strict=True)])
    groups[own] = own_groups
    return placed.parts, groups, [*notes, *placed.notes]


def _plan(
    collection: Collection, seen: Survey, settings: DataSettings, seed: int
) -> tuple[list[str], np.ndarray, list[str]]:
    """Return the part and the group of each picture, and sentences on what was done and why."""
    notes: list[str] = []
    usable = _usable(collection, seen, notes)
    copies = duplicate_groups(seen)
    named = [collection.column(column) for column in settings.groups]
    kept = join_groups(*named) if named else None
    groups = join_groups(copies, *named)
    shares = (settings.split.train, settings.split.validation, settings.split.test)
    parts = [split if ok else "" for split, ok in zip(collection.splits, usable, strict=True)]
    chosen = np.flatnonzero(usable)
    given = {part for part, ok in zip(parts, usable, strict=True) if ok}
    _require_given(collection.splits, given)
    if not {"train", "test"} <= given:
        if given - {""}:
            notes.append(f"The collection brings only {' and '.join(sorted(given - {''}))}; all of it was split anew.")
        plan = plan_split(
            collection.select(chosen),
            shares,
            groups=None if kept is None else kept[chosen],
            copies=copies[chosen],
            seed=seed,
        )
        notes += plan.notes
        for i, part in zip(chosen, plan.parts, strict=True):
            parts[i] = part
    else:
        _leave_out_leaks(parts, copies, notes)
        left = sum(1 for part, ok in zip(parts, usable, strict=True) if ok and not part)
        if left:
            notes.append(f"{left} pictures outside the given splits, or copies of others, are left out.")
        if "validation" not in given and settings.split.validation:
            kept_rows = np.array([i for i, part in enumerate(parts) if part])
            inner = collection.select(kept_rows).with_column("split", [parts[i] for i in kept_rows])
            share = settings.split.validation / (settings.split.train + settings.split.validation)
            plan = carve_validation(
                inner, share, groups=None if kept is None else kept[kept_rows], copies=copies[kept_rows], seed=seed
            )
            notes += plan.notes
            for i, part in zip(kept_rows, plan.parts, strict=True):
                parts[i] = part
    return parts, groups, notes


def _require_given(splits: list[str], left: set[str]) -> None:
    """Raise where a given train or test part has no picture that can be used: it must not be split anew unasked."""
    if {"train", "test"} <= set(splits):
        for part in ("train", "test"):
            if part not in left:
                raise DataError(
                    f"None of the {splits.count(part)} pictures of the given {part} part can be used: they are "
                    "unreadable or have no label; mend them, or name only the other pictures (they are split anew)."
                )


def _usable(collection: Collection, seen: Survey, notes: list[str]) -> np.ndarray:
    """Return which pictures can be read and have a label."""
    usable = np.ones(len(collection), dtype=bool)
    usable[list(seen.errors)] = False
    if seen.errors:
        first = next(iter(seen.errors.values()))
        notes.append(f"{len(seen.errors)} unreadable pictures are left out, the first: {first}")
    if not collection.multi_label:
        unlabelled = collection.targets() < 0
        if (unlabelled & usable).any():
            notes.append(f"{int((unlabelled & usable).sum())} pictures without a label are left out.")
        usable &= ~unlabelled
    if not usable.any():
        raise DataError(f"None of the {len(collection)} pictures of {collection.name} can be read.")
    return usable


def _leave_out_leaks(parts: list[str], copies: np.ndarray, notes: list[str]) -> None:
    """Take duplicates across the given splits out of training, then out of validation; test stays as it is."""
    rank = {"test": 0, "validation": 1, "train": 2, "": 3}
    safest: dict[int, int] = {}
    for part, group in zip(parts, copies, strict=True):
        safest[group] = min(safest.get(group, 3), rank[part])
    dropped: Counter[str] = Counter()
    for i, (part, group) in enumerate(zip(parts, copies, strict=True)):
        if part and rank[part] > safest[group]:
            dropped[part] += 1
            parts[i] = ""
    for part, count in dropped.items():
        safer = "test" if part == "validation" else "test or validation"
        notes.append(f"{count} pictures of {part} are copies of pictures in {safer} and were left out of {part}.")


def require_shares(collection: Collection, recipe: Recipe) -> None:
    """Raise `DataError` where the recipe's shares leave nothing to test on, or no validation that it asks for.

    Before anything is computed: what the pictures themselves lack is seen later, by `plan_parts`.
    """
    shares = recipe.data.split
    given = {collection.splits[i] for i in own_rows(collection).tolist()}
    kept = {"train", "test"} <= given
    if not kept and shares.test == 0:
        raise DataError(
            "No picture is left to test on: data.split.test is 0 and the collection brings no test part; "
            "give data.split.test a share."
        )
    if not (kept and "validation" in given) and shares.validation == 0:
        _require_validation(recipe, "data.split.validation is 0 and the collection brings no validation part")


def require_validation(collection: Collection, parts: Parts, recipe: Recipe) -> None:
    """Raise `DataError` where the recipe chooses its epoch by a metric or stops early, and there is nothing to see.

    Frozen features need no validation; with the metric `loss` and no early stopping the last epoch is kept.
    """
    rows = parts.indices("validation")
    if not len(rows):
        _require_validation(recipe, "no picture is in the validation part")
    elif collection.multi_label and recipe.training.metric != "loss" and not collection.targets()[rows].any():
        _require_validation(recipe, "no picture of the validation part has a label")


def _require_validation(recipe: Recipe, why: str) -> None:
    settings = recipe.training
    if recipe.model.train == "frozen":
        return
    asks = [f"training.metric {settings.metric}"] if settings.metric != "loss" and settings.keep == "best" else []
    asks += ["training.early_stopping"] if settings.early_stopping else []
    if asks:
        raise DataError(
            f"{' and '.join(asks)} cannot be followed: {why}; give data.split.validation a larger share, or set "
            "training.metric=loss and training.early_stopping=null."
        )


def _require_classes(collection: Collection, parts: list[str]) -> None:
    """Raise where nothing is left to learn from or to test on, or training lacks the class of every picture of it.

    A class that only the test part lacks is not refused: the evaluation names it. With many labels neither is one that
    training lacks, as long as there is one to learn.
    """
    here = np.array(parts)
    targets = collection.targets()
    if collection.multi_label:
        if not targets[here == "train"].any():
            raise DataError(
                "No picture of the training part has a label to learn; give data.split.train a larger share, or labels."
            )
    else:
        present = set(targets[here == "train"].tolist())
        missing = [name for k, name in enumerate(collection.label_names) if k not in present]
        if missing:
            raise DataError(
                f"No picture of '{missing[0]}' is left to learn from; add pictures, or leave groups (data.groups) out."
            )
    if not (here == "test").any():
        raise DataError("No picture is left to test on; give data.split.test a larger share or add pictures.")
    if collection.multi_label and not targets[here == "test"].any():
        raise DataError(
            f"None of the {int((here == 'test').sum())} pictures of the test part has a label, so nothing can be "
            "measured; give them their labels, or name only the other pictures, which are then split anew."
        )


def restored_parts(collection: Collection, seen: Survey, rows: list[SplitRow]) -> Parts:
    """Return the parts of a stopped run for the collection as it is now; raise `DataError` where it has changed."""
    rows = [row for row in rows if row.part != STYLE]
    now = dict(zip(collection.files, seen.sha256, strict=True))
    kept = {row.file: row.sha256 for row in rows}
    if now != kept:
        changed = sorted(file for file in now.keys() | kept.keys() if now.get(file) != kept.get(file))
        raise DataError(
            f"The collection has changed since the run was started ({len(changed)} files, the first: {changed[0]}); "
            "an exact resume is not possible. Put it back, or train into a new folder."
        )
    by_file = {row.file: row for row in rows}
    return Parts([by_file[file] for file in collection.files])
