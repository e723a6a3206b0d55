"""Hugging Face `datasets`: a loaded `Dataset` or `DatasetDict`, or a folder that `save_to_disk` wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from kunstkammer.data.collection import IMAGE_TYPE, OWN_COLUMNS, Collection, column_array, dataset_of
from kunstkammer.data.objects import OBJECTS, tidy_objects
from kunstkammer.data.readers.indicators import asked_columns, read_indicators, require_columns
from kunstkammer.data.readers.labelled import (
    FILE_COLUMNS,
    LABEL_COLUMNS,
    ReadOptions,
    find_column,
    find_label_column,
    read_labels,
    resolve_files,
)
from kunstkammer.data.readers.rows import SPLIT_NAMES, Rows, a_few, split_text
from kunstkammer.data.readers.scan import is_picture_name
from kunstkammer.errors import DataError
from kunstkammer.pictures.read import SUFFIX_FORMATS
from kunstkammer.pictures.sniff import SNIFFED_BYTES, format_of

_SUFFIX_OF = {kind: suffix for suffix, kind in reversed(SUFFIX_FORMATS.items())}


def is_saved_dataset(folder: Path) -> bool:
    """Whether `folder` was written by `save_to_disk`."""
    return (folder / "dataset_dict.json").is_file() or all(
        (folder / f).is_file() for f in ("dataset_info.json", "state.json")
    )


def read_saved_dataset(folder: Path, wish: ReadOptions) -> Collection:
    """Read a folder that `save_to_disk` wrote; its Arrow files stay where they are and are mapped into memory."""
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(
            f"{folder} looks like a saved dataset but cannot be loaded ({error}); save it again."
        ) from error
    return read_dataset(loaded, wish, folder.absolute().name)


def read_dataset(data: datasets.Dataset | datasets.DatasetDict, wish: ReadOptions, name: str) -> Collection:
    """Read a loaded dataset. Names of splits are understood as those of folders; others ("train_small") count as none.

    Raises `DataError` when there is no column of images or of paths.
    """
    parts = dict(data) if isinstance(data, datasets.DatasetDict) else {"": data}
    parts = {split: part for split, part in parts.items() if len(part)}
    if not parts:
        raise DataError(f"The dataset '{name}' has no rows.")
    rows = Rows()
    tables = [_part(part, split, wish, name, rows) for split, part in parts.items()]
    table = pa.concat_tables(tables, promote_options="permissive")
    rows.files = _unique(rows.files)
    own = {
        "file": pa.array(rows.files, pa.string()),
        "labels": pa.array(rows.labels, pa.list_(pa.string())),
        "split": pa.array(rows.splits, pa.string()),
    }
    for column, values in own.items():
        table = table.append_column(column, values)
    table = table.select([*OWN_COLUMNS, *(column for column in table.column_names if column not in OWN_COLUMNS)])
    first = next(iter(parts.values())).features
    features = datasets.Features.from_arrow_schema(table.schema.remove_metadata())
    features |= {c: first[c] for c in table.column_names if c in first and c not in (*OWN_COLUMNS, OBJECTS)}
    features["image"] = datasets.Image(decode=False)
    named = sorted({*rows.label_names, *(label for labels in rows.labels for label in labels)})
    return Collection(dataset_of(table, features), name, rows.multi_label, tuple(named), notes=tuple(rows.notes))


def _part(part: datasets.Dataset, split: str, wish: ReadOptions, name: str, rows: Rows) -> pa.Table:
    """Append one split to `rows`, and return its images and further columns as an Arrow table."""
    features = part.features
    image = _image_column(features, name)
    several = asked_columns(wish.column, list(features))
    label = None if several else _label_column(features, wish, name, image)
    plain = part.with_format("arrow")
    arrow: pa.Table = plain.cast_column(image, datasets.Image(decode=False))[:] if image in features else plain[:]
    images = arrow.column(image)
    if not pa.types.is_struct(images.type):
        paths = [str(path) for path in images.to_pylist()]
        found, sources = resolve_files(paths, Path.cwd(), f"The dataset '{name}'")
        images = pa.StructArray.from_arrays(
            [pa.nulls(len(found), pa.binary()), pa.array(sources, pa.string())], ["bytes", "path"]
        )
    kind = SPLIT_NAMES.get(split.lower(), "")
    written = find_column(arrow.column_names, ("split",))
    splits = arrow.column(written).to_pylist() if written and written != image else [""] * len(arrow)
    rows.splits += [split_text(value, f"The dataset '{name}'") or kind for value in splits]
    files = _names(images, arrow, image, kind or split)
    rows.files += files
    more = Rows(multi_label=rows.multi_label)
    if several:
        where = f"The dataset '{name}'"
        require_columns(several, list(features), where)
        read_indicators(more, several, arrow.select(several).to_pylist(), range(len(arrow)), where)
    else:
        values = _label_values(arrow.column(label).to_pylist(), features[label]) if label else [None] * len(arrow)
        read_labels(more, values, label, wish)
    rows.label_names = sorted({*rows.label_names, *more.label_names})
    rows.labels += more.labels
    rows.multi_label |= more.multi_label
    rows.notes += [note for note in more.notes if note not in rows.notes]
    keep = [c for c in arrow.column_names if c not in (image, label, *several, *OWN_COLUMNS)]
    if OBJECTS in keep:
        cells, notes = tidy_objects(arrow.column(OBJECTS).to_pylist(), files, _box_names(features[OBJECTS]))
        rows.notes += [note for note in notes if note not in rows.notes]
        arrow = arrow.set_column(arrow.column_names.index(OBJECTS), OBJECTS, column_array(OBJECTS, cells))
    return arrow.select(keep).append_column("image", images.cast(IMAGE_TYPE))


def _box_names(feature: Any) -> list[str] | None:
    """Return the names of the categories of boxes, where they are kept as numbers with names."""
    inner = getattr(feature, "feature", None) or (feature[0] if isinstance(feature, list) and feature else feature)
    if not isinstance(inner, dict):
        return None
    known = next((own for key in ("category", "categories") if (own := _class_label(inner.get(key))) is not None), None)
    return None if known is None else list(known.names)


def _image_column(features: datasets.Features, name: str) -> str:
    images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    if images:
        return "image" if "image" in images else images[0]
    text = [c for c, feature in features.items() if getattr(feature, "dtype", "") in ("string", "large_string")]
    column = find_column(text, FILE_COLUMNS)
    if column is None:
        raise DataError(
            f"The dataset '{name}' has no column of images (columns: {a_few(list(features), 12)}); cast one: "
            f"cast_column('...', datasets.Image())."
        )
    return column


def _label_column(features: datasets.Features, wish: ReadOptions, name: str, image: str) -> str | None:
    columns = [column for column in features if column != image]
    if wish.column is None and find_column(columns, LABEL_COLUMNS) is None:
        return next((c for c in columns if _class_label(features[c]) is not None), None)
    return find_label_column(columns, wish, f"The dataset '{name}'")


def _class_label(feature: Any) -> datasets.ClassLabel | None:
    """Return the `ClassLabel` of a column of one label or of lists of them, else None."""
    inner = getattr(feature, "feature", None) or (feature[0] if isinstance(feature, list) and feature else feature)
    return inner if isinstance(inner, datasets.ClassLabel) else None


def _label_values(values: list[Any], feature: Any) -> list[Any]:
    """Turn the numbers of a `ClassLabel` into names; -1 is what the Hub writes where a label is unknown."""
    known = _class_label(feature)
    if known is None:
        return values

    def word(number: int | None) -> str | None:
        return None if number is None or number < 0 else known.int2str(number)

    return [[word(v) for v in value] if isinstance(value, list) else word(value) for value in values]


def _names(images: pa.ChunkedArray | pa.StructArray, arrow: pa.Table, image: str, split: str) -> list[str]:
    """Name each picture: by a column of file names, else by the path in the table, else by its number."""
    column = find_column([c for c in arrow.column_names if c != image], FILE_COLUMNS[:4])
    written = arrow.column(column).to_pylist() if column else [None] * len(arrow)
    chunks = images.chunks if isinstance(images, pa.ChunkedArray) else [images]
    parts = [chunk.cast(IMAGE_TYPE).flatten() for chunk in chunks]
    paths = [path for _, own in parts for path in own.to_pylist()]
    heads = [head for held, _ in parts for head in pc.binary_slice(held, 0, SNIFFED_BYTES).to_pylist()]
    prefix = f"{split}/" if split else ""
    names = []
    for i, (own, path, head) in enumerate(zip(written, paths, heads, strict=True)):
        given = str(own) if isinstance(own, str) and own else Path(path).name if path else ""
        if not given:
            given = f"{i:06d}{_SUFFIX_OF.get(format_of(head) or '', '') if head else ''}"
        elif not is_picture_name(given) and head:
            given += _SUFFIX_OF.get(format_of(head) or "", "")
        names.append(given if given.startswith(prefix) else prefix + given)
    return names


def _unique(files: list[str]) -> list[str]:
    """Number the files of one name, so that each name stands once."""
    total, seen, taken = Counter(files), Counter[str](), set(files)
    unique = []
    for file in files:
        seen[file] += 1
        name = file
        if total[file] > 1 and seen[file] > 1:
            stem, dot, suffix = file.rpartition(".")
            name = f"{stem or suffix} ({seen[file]}){dot and '.' + suffix}"
            while name in taken:
                name = f"{name}'"
            taken.add(name)
        unique.append(name)
    return unique
