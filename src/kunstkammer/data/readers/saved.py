"""A collection that Kunstkammer saved: `collection.parquet`, the table, and `collection.json`, the other facts."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from kunstkammer.data.collection import IMAGE_TYPE, Collection, dataset_of
from kunstkammer.errors import DataError
from kunstkammer.files import atomic_file, write_json

FACTS = "collection.json"
TABLE = "collection.parquet"
FORMAT = "kunstkammer-collection"

_ROWS_OF_PATHS = 20_000
_ROWS = 500  # Few enough that the bytes of one batch of embedded pictures fit well into memory.


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: str
    version: int
    name: str
    multi_label: bool
    label_names: tuple[str, ...]
    empty_classes: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def save_collection(collection: Collection, folder: Path, *, embed: bool) -> None:
    """Write the two files; see `Collection.save`."""
    features = datasets.Features(collection.table.features)
    table = collection.table.with_format("arrow")
    base = folder.resolve().as_posix().rstrip("/") + "/"
    with atomic_file(folder / TABLE) as partial, pq.ParquetWriter(partial, features.arrow_schema) as writer:
        step = _ROWS if embed or None in collection.paths else _ROWS_OF_PATHS
        for start in range(0, len(collection), step):
            part: pa.Table = table[start : start + step]
            rows = [_portable(image, base, embed=embed) for image in part.column("image").to_pylist()]
            place = part.column_names.index("image")
            part = part.set_column(place, "image", pa.array(rows, part.schema.field("image").type))
            writer.write_table(part.cast(features.arrow_schema))
    facts = _Facts(
        format=FORMAT,
        version=1,
        name=collection.name,
        multi_label=collection.multi_label,
        label_names=collection.label_names,
        empty_classes=collection.empty_classes,
        ignored=collection.ignored,
        notes=collection.notes,
    )
    write_json(folder / FACTS, facts.model_dump(mode="json"))


def _portable(image: dict[str, Any], base: str, *, embed: bool) -> dict[str, Any]:
    """Make one cell of the image column fit to be moved: bytes, or a path relative to the folder where it can be."""
    path, held = image["path"], image["bytes"]
    if held is not None or path is None:
        return image
    if embed:
        try:
            return {"bytes": Path(path).read_bytes(), "path": Path(path).name}
        except OSError as error:
            raise DataError(
                f"Cannot embed {path}: {error.strerror or error}; take it out or save without embed."
            ) from error
    absolute = os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100 - for each of perhaps 180,000 rows
    resolved = absolute if absolute.startswith(base) else _resolved(*os.path.split(absolute))
    return {"bytes": None, "path": resolved[len(base) :] if resolved.startswith(base) else absolute}


def _resolved(folder: str, name: str) -> str:
    return f"{_resolved_folder(folder)}/{name}"


@lru_cache(maxsize=1024)
def _resolved_folder(folder: str) -> str:
    return Path(folder).resolve().as_posix().rstrip("/")


def is_saved(folder: Path) -> bool:
    """Whether `folder` holds a saved collection."""
    return (folder / FACTS).is_file() and (folder / TABLE).is_file()


def read_saved(folder: Path) -> Collection:
    """Read what `Collection.save` wrote. Raises `DataError` for anything else under these names."""
    try:
        facts = _Facts.model_validate_json((folder / FACTS).read_bytes())
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
            table = pa.Table.from_batches(file.iter_batches(batch_size=_ROWS), schema=schema)
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
