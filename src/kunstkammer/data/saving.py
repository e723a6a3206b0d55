"""How a collection is written: `collection.parquet`, the table, and `collection.json`, the other facts.

`data/readers/saved.py` reads them again.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from kunstkammer.errors import DataError
from kunstkammer.files import atomic_file, write_json

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

FACTS = "collection.json"
TABLE = "collection.parquet"
FORMAT = "kunstkammer-collection"

_ROWS_OF_PATHS = 20_000
ROWS = 500  # Few enough that the bytes of one batch of embedded pictures fit well into memory.


class Facts(BaseModel):
    """What `collection.json` holds."""

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
        step = ROWS if embed or None in collection.paths else _ROWS_OF_PATHS
        for start in range(0, len(collection), step):
            part: pa.Table = table[start : start + step]
            rows = [_portable(image, base, embed=embed) for image in part.column("image").to_pylist()]
            place = part.column_names.index("image")
            part = part.set_column(place, "image", pa.array(rows, part.schema.field("image").type))
            writer.write_table(part.cast(features.arrow_schema))
    facts = Facts(
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
