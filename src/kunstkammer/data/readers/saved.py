"""A collection that Kunstkammer saved: `collection.parquet`, the table, and `collection.json`, the other facts."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from kunstkammer.data.collection import IMAGE_TYPE, Collection, dataset_of
from kunstkammer.data.saving import FACTS, FORMAT, ROWS, TABLE, Facts
from kunstkammer.errors import DataError


def is_saved(folder: Path) -> bool:
    """Whether `folder` holds a saved collection."""
    return (folder / FACTS).is_file() and (folder / TABLE).is_file()


def read_saved(folder: Path) -> Collection:
    """Read what `Collection.save` wrote. Raises `DataError` for anything else under these names."""
    try:
        facts = Facts.model_validate_json((folder / FACTS).read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{folder / FACTS} does not describe a saved collection; save it again.") from error
    if facts.format != FORMAT or facts.version != 1:
        raise DataError(
            f"{folder / FACTS} is '{facts.format}' version {facts.version}; this Kunstkammer reads version 1."
        )
    try:
        # In batches: Parquet gives the bytes of embedded pictures back in one piece otherwise, at most 2 GiB.
        with pq.ParquetFile(folder / TABLE) as file:
            schema = file.schema_arrow
            table = pa.Table.from_batches(file.iter_batches(batch_size=ROWS), schema=schema)
        table = table.set_column(table.column_names.index("image"), "image", _absolute(table.column("image"), folder))
        features = datasets.Features.from_arrow_schema(schema)
        if not isinstance(features["image"], datasets.Image):
            features["image"] = datasets.Image(decode=False)
    except (OSError, pa.ArrowException, ValueError, KeyError, json.JSONDecodeError) as error:
        raise DataError(f"{folder / TABLE} is not the table of a saved collection ({error}); save it again.") from error
    return Collection(
        table=dataset_of(table, features),
        name=facts.name,
        multi_label=facts.multi_label,
        label_names=facts.label_names,
        root=folder,
        empty_classes=facts.empty_classes,
        ignored=facts.ignored,
        notes=facts.notes,
    )


def _absolute(column: pa.ChunkedArray, folder: Path) -> pa.ChunkedArray:
    base = folder.absolute()
    chunks = []
    for chunk in column.chunks:
        held, paths = chunk.cast(IMAGE_TYPE).flatten()
        inside = held.is_valid().to_pylist()
        both = zip(paths.to_pylist(), inside, strict=True)
        full = [path if path is None or own else (base / path).as_posix() for path, own in both]
        chunks.append(pa.StructArray.from_arrays([held, pa.array(full, pa.string())], ["bytes", "path"]))
    return pa.chunked_array(chunks, column.type)
