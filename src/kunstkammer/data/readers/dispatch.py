"""`read`: whatever a person calls their data -> a `Collection`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import datasets

from kunstkammer.data.collection import Collection
from kunstkammer.data.readers.class_folders import read_class_folders, split_folders
from kunstkammer.data.readers.coco import ROBOFLOW_NAME, is_coco, read_coco
from kunstkammer.data.readers.frames import read_frame
from kunstkammer.data.readers.hub_table import is_saved_dataset, read_dataset, read_saved_dataset
from kunstkammer.data.readers.labelled import ReadOptions
from kunstkammer.data.readers.metadata import metadata_of, read_elsewhere, read_metadata, read_splits
from kunstkammer.data.readers.pictures import read_pictures
from kunstkammer.data.readers.rows import Rows, a_few
from kunstkammer.data.readers.saved import is_saved, read_saved
from kunstkammer.data.readers.scan import Found, is_picture_name, require_folder, scan
from kunstkammer.data.readers.tables import TABLE_SUFFIXES
from kunstkammer.data.readers.text_file import with_text
from kunstkammer.errors import DataError, guess


def read(
    data: Any,
    *,
    label_column: str | None = None,
    label_separator: str | None = None,
    labels: Iterable[str] | None = None,
    name: str | None = None,
    text_file: str | Path | None = None,
) -> Collection:
    """Read a collection of pictures, in any of the forms in which people keep one. No picture is opened.

    Args:
        data: a folder of class folders; split folders (train/training, val/valid/validation/dev, test/testing, any
            case) of class folders; a folder with metadata.csv, .tsv or .jsonl (`file_name`, `label` or `labels`,
            `split`, `objects` with boxes, `caption` or `captions`, and whatever else), also one in each split folder; a
            flat folder, one picture, or a list of paths (no labels); a CSV, TSV or JSON Lines file; a COCO JSON file
            (instances, captions); a folder saved by `datasets` or by `Collection.save`; a loaded
            `datasets.Dataset` or `DatasetDict`; a pandas DataFrame; a `Collection`.
        label_column: the column that holds the labels, where it has not one of the usual names; or several, parted by
            commas, that hold 0 or 1 (or a share) of one label each: "angry,fear,happy". A table of nothing else is
            understood by itself.
        label_separator: what separates several labels in one cell. In a column called `labels`, "|" and ";" are found
            by themselves.
        labels: only these labels; pictures that carry none of them are left out.
        name: what to call the collection; the name of the folder or file when not given.
        text_file: a table (or .json list of objects) with the text in each picture, where that is not in `data`; or a
            COCO file of captions.

    Raises:
        DataError: nothing is there, there is no picture, or the data contradicts itself.
    """
    wish = ReadOptions(label_column, label_separator)
    found = _read(data, wish, name)
    if name is not None:
        found = replace(found, name=name)
    if text_file is not None:
        found = with_text(found, Path(text_file).expanduser())
    return found if labels is None else _only(found, labels)


def _read(data: Any, wish: ReadOptions, name: str | None) -> Collection:
    if isinstance(data, Collection):
        return data
    if isinstance(data, datasets.Dataset | datasets.DatasetDict):
        return read_dataset(data, wish, name or "dataset")
    if isinstance(data, datasets.IterableDataset | datasets.IterableDatasetDict):
        raise DataError("A streamed dataset has no length; load it without streaming=True.")
    if isinstance(data, str | PathLike):
        return _read_path(Path(data).expanduser(), wish)
    pandas = sys.modules.get("pandas")  # who hands over a DataFrame has imported it
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return read_frame(data, wish, name or "table")
    if isinstance(data, Sequence) and not isinstance(data, bytes) and all(isinstance(p, str | PathLike) for p in data):
        return read_pictures([Path(path).expanduser() for path in data], name or "pictures")
    raise DataError(
        f"A {type(data).__name__} is not a collection; give a path, a dataset, a DataFrame or a Collection."
    )


def _read_path(path: Path, wish: ReadOptions) -> Collection:
    require_folder(path)
    if path.is_dir():
        return _read_folder(path, wish)
    suffix = path.suffix.lower()
    if is_picture_name(path.name):
        return read_pictures([path], path.stem)
    if suffix in TABLE_SUFFIXES:
        return read_elsewhere(path, wish).collection(path.stem, path.parent)
    if suffix == ".json":
        if not is_coco(path):
            raise DataError(f"{path} is JSON but not COCO (images, annotations, categories); write a table as .jsonl.")
        return read_coco(path).collection(path.stem, path.parent)
    kinds = "a folder, a table (.csv, .tsv, .jsonl), COCO JSON or a picture"
    raise DataError(f"{path} is none of what can be read: {kinds}.")


def _read_folder(root: Path, wish: ReadOptions) -> Collection:
    if is_saved(root):
        return read_saved(root)
    if is_saved_dataset(root):
        return read_saved_dataset(root, wish)
    found = scan(root)
    name = root.absolute().name or "pictures"
    metadata = metadata_of(root, found)
    if metadata is not None:
        return read_metadata(metadata, root, found, wish).collection(name, root)
    if not found.pictures:
        raise _no_pictures(root, found)
    return _read_plain(root, found, wish).collection(name, root)


def _read_plain(root: Path, found: Found, wish: ReadOptions) -> Rows:
    splits = split_folders(found, root)
    if splits:
        return read_splits(root, found, splits, wish)
    if ROBOFLOW_NAME in found.others:
        return read_coco(root / ROBOFLOW_NAME)
    if wish.column is not None:
        raise DataError(
            f"{root} holds class folders and no table, so it has no column '{wish.column}'; leave the label column "
            "out, or name the table instead of the folder."
        )
    rows = read_class_folders(root, found)
    tables = [
        path for path in found.others if "/" not in path and Path(path).suffix.lower() in (*TABLE_SUFFIXES, ".json")
    ]
    if tables and not any(rows.labels):
        rows.notes.append(
            f"{a_few(tables)} lies beside the pictures; if it holds their labels, name it instead of the folder."
        )
    return rows


def _no_pictures(root: Path, found: Found) -> DataError:
    if not found.others and not found.folders:
        return DataError(f"The folder {root} is empty; put pictures into it, in one folder for each class.")
    if not found.others:
        return DataError(f"The folder {root} has {len(found.folders)} folders and no picture in them; put some there.")
    suffixes = sorted({Path(path).suffix.lower() or "no suffix" for path in found.others})
    held = f"{len(found.others)} other file{'s' if len(found.others) > 1 else ''} ({a_few(suffixes)})"
    return DataError(
        f"The folder {root} has no picture in it, only {held}; pictures are .jpg, .png, .webp, .tif and the like."
    )


def _only(collection: Collection, labels: Iterable[str]) -> Collection:
    names = sorted(set([labels] if isinstance(labels, str) else labels))
    for label in names:
        if label not in collection.label_names:
            known = a_few(list(collection.label_names), 12)
            raise DataError(
                f"'{collection.name}' has no label '{label}'.{guess(label, collection.label_names)} Known: {known}."
            )
    kept = [i for i, own in enumerate(collection.labels) if set(own) & set(names)]
    return collection.select(kept).with_label_names(names)
