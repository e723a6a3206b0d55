"""Pictures that join a collection for training alone, such as what people corrected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from kunstkammer.data.collection import OWN_COLUMNS, Collection, dataset_of
from kunstkammer.data.readers.rows import a_few
from kunstkammer.errors import DataError, guess

ADDED = "_added"
"""The column that says which addition a picture came with; None for the collection's own."""


def with_additions(
    collection: Collection, additions: Sequence[Collection], *, drop_unknown: bool = False
) -> Collection:
    """Return a collection with further pictures, which `training.parts.plan_parts` gives to the training part alone.

    Files are named `ADDITION/FILE`. Columns that the collection has are taken over from an addition that has them too.

    Args:
        collection: it keeps its name, its labels and its kind (one label a picture, or several).
        additions: later ones are more trusted than earlier ones.
        drop_unknown: take labels that the collection does not have off the added pictures instead of raising.

    Raises `DataError` for an addition without labels, for several labels of one picture where the collection has one a
    picture, and for a label that the collection does not have: one that is in no picture of the test could never be
    measured.
    """
    if ADDED in collection.column_names:
        raise DataError(f"'{collection.name}' has a column '{ADDED}', which is needed here; give it another name.")
    own = collection.with_column(ADDED, [None] * len(collection))
    schema = _arrow(own).schema
    tables, notes, taken = [_arrow(own)], list(collection.notes), set(collection.files)
    for addition in additions:
        fitting, said = _fitting(addition, collection, drop_unknown)
        name = _free_name(addition.name, taken)
        table = _renamed(fitting, name, schema)
        taken.update(table.column("file").to_pylist())
        tables.append(table)
        notes += said
    joined = dataset_of(pa.concat_tables(tables), own.table.features)
    return replace(own, table=joined, notes=tuple(notes))


def counts_of_additions(collection: Collection) -> dict[str, int]:
    """Return how many pictures came with each addition."""
    if ADDED not in collection.column_names:
        return {}
    return dict(Counter(name for name in collection.column(ADDED) if name is not None))


def _fitting(addition: Collection, collection: Collection, drop_unknown: bool) -> tuple[Collection, list[str]]:
    """Return the pictures of an addition that can be added, and what was left out; raise for what is a mistake."""
    if not addition.labelled and not (addition.multi_label and collection.multi_label):
        raise DataError(f"'{addition.name}' has no labels, so there is nothing to add; name a collection with labels.")
    unknown = [label for label in addition.label_names if label not in collection.label_names]
    used = addition.counts()
    unknown = [label for label in unknown if used[label]]
    notes = []
    if unknown and not drop_unknown:
        raise DataError(
            f"'{addition.name}' has the label '{unknown[0]}', which '{collection.name}' does not have."
            f"{guess(unknown[0], collection.label_names)} A new label needs pictures in '{collection.name}' itself, "
            "so that some can be kept for the test."
        )
    if unknown:
        addition = addition.with_label_names(collection.label_names)
        notes.append(f"Of '{addition.name}' these labels were not asked for and are left out: {a_few(unknown, 6)}.")
    if collection.multi_label:
        return addition, notes
    several = [(file, own) for file, own in zip(addition.files, addition.labels, strict=True) if len(own) > 1]
    if several:
        file, labels = several[0]
        raise DataError(
            f"'{addition.name}' gives {file} {len(labels)} labels ({a_few(labels)}), but a picture of "
            f"'{collection.name}' has one; keep one of them."
        )
    return addition, notes


def _free_name(name: str, taken: set[str]) -> str:
    """Return a folder's name for an addition that no file of the collection lies in."""
    base, count = name.replace("/", "-") or "added", 1
    free = base
    while any(file.startswith(free + "/") for file in taken):
        count += 1
        free = f"{base}-{count}"
    return free


def _renamed(addition: Collection, name: str, schema: pa.Schema) -> pa.Table:
    """Return an addition's rows in the form of the collection's."""
    table, count = _arrow(addition), len(addition)
    columns = []
    for field in schema:
        if field.name == "file":
            values = pa.array([f"{name}/{file.lstrip('/')}" for file in addition.files], pa.string())
        elif field.name == "split":
            values = pa.array([""] * count, pa.string())
        elif field.name == ADDED:
            values = pa.array([name] * count, pa.string())
        elif field.name in table.column_names:
            values = _cast(table.column(field.name), field.type, strict=field.name in OWN_COLUMNS)
        else:
            values = pa.nulls(count, field.type)
        columns.append(values if values.type == field.type else values.cast(field.type))
    return pa.table(columns, schema=schema)


def _cast(values: pa.ChunkedArray, type: pa.DataType, *, strict: bool) -> pa.ChunkedArray | pa.Array:
    """Bring a column to the collection's type; one of another kind altogether is left empty."""
    try:
        return values.cast(type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if strict:
            raise
        return pa.nulls(len(values), type)


def _arrow(collection: Collection) -> pa.Table:
    return collection.table.with_format("arrow")[:]
