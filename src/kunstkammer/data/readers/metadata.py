"""Folders with a metadata file beside the pictures, as the Hugging Face ImageFolder has them, and tables elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kunstkammer.data.objects import OBJECTS, holds_boxes
from kunstkammer.data.readers.class_folders import read_class_folders
from kunstkammer.data.readers.labelled import ReadOptions, find_label_columns, pictures_of_table
from kunstkammer.data.readers.rows import SPLIT_NAMES, Rows, label_text
from kunstkammer.data.readers.scan import Found
from kunstkammer.data.readers.tables import read_table
from kunstkammer.errors import DataError

METADATA_NAMES = ("metadata.csv", "metadata.tsv", "metadata.jsonl")


def metadata_of(root: Path, found: Found, prefix: str = "") -> Path | None:
    """Return the metadata file of a folder, None where there is none; two of them are a `DataError`."""
    names = [path for path in found.others if path.startswith(prefix) and path[len(prefix) :].lower() in METADATA_NAMES]
    if len(names) > 1:
        raise DataError(f"{root} has both {names[0]} and {names[1]}; keep one of them.")
    return root / names[0] if names else None


def read_metadata(path: Path, root: Path, found: Found, wish: ReadOptions, prefix: str = "") -> Rows:
    """Read a metadata file in the folder `prefix` below `root`; pictures that it does not name are told as ignored.

    Without a column of labels, pictures in two or more folders get the name of their folder.
    """
    table = read_table(path)
    rows = pictures_of_table(table, path.parent, wish)
    inner = list(rows.files)
    rows.files = [file if file.startswith("/") else prefix + file for file in rows.files]
    if prefix:
        own = SPLIT_NAMES[prefix.rstrip("/").lower()]
        rows.splits = [split or own for split in rows.splits]
    if not find_label_columns(table, wish):
        tops = [label_text(file.split("/")[-2]) if "/" in file else "" for file in inner]
        if all(tops) and len(set(tops)) > 1 and not any(top.lower() in SPLIT_NAMES for top in tops):
            rows.labels = [[top] for top in tops]
            rows.notes.append(f"{path.name} has no column of labels; the names of the folders are taken.")
    named = set(rows.files)
    rows.ignored += [(p, why) for p, why in found.refused if p.startswith(prefix)]
    unnamed = [p for p in found.pictures if p.startswith(prefix) and p not in named]
    rows.ignored += [(p, f"{path.name} does not name it") for p in unnamed]
    return rows


def read_elsewhere(path: Path, wish: ReadOptions) -> Rows:
    """Read a table whose file names are relative to the folder that it lies in.

    Raises `DataError` when it says nothing about labels: who hands over a table means its labels, or the boxes or
    captions that are in it.
    """
    table = read_table(path)
    rows = pictures_of_table(table, path.parent, wish)
    told = {"caption", "captions"} & {name.lower() for name in rows.columns} or holds_boxes(
        rows.columns.get(OBJECTS, ())
    )
    if not find_label_columns(table, wish) and len(table.columns) > 1 and not told:
        columns = ", ".join(table.columns[:12])
        raise DataError(f"{path} has no column named 'label' or 'labels'; say which holds the labels (of {columns}).")
    return rows


def read_splits(root: Path, found: Found, splits: dict[str, str], wish: ReadOptions) -> Rows:
    """Read split folders, each with its metadata file, its COCO file, its class folders, or its pictures alone."""
    from kunstkammer.data.readers.coco import ROBOFLOW_NAME, read_coco

    rows = Rows(
        ignored=[(path, "lies beside the split folders, not in one") for path in found.pictures if "/" not in path]
    )
    for folder, split in splits.items():
        prefix = folder + "/"
        metadata = metadata_of(root, found, prefix)
        if metadata is not None:
            rows.extend(read_metadata(metadata, root, found, wish, prefix))
        elif prefix + ROBOFLOW_NAME in found.others:
            part = read_coco(root / prefix / ROBOFLOW_NAME)
            files = [prefix + file for file in part.files]
            rows.extend(replace(part, files=files, splits=[split] * len(files)))
        else:
            rows.extend(read_class_folders(root, found, prefix, split))
    return rows
