"""COCO JSON: the labels of a picture are the categories that are annotated in it; the boxes are kept beside them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from kunstkammer.data.readers.labelled import resolve_files
from kunstkammer.data.readers.rows import SPLIT_NAMES, Rows, label_text, split_of_path
from kunstkammer.errors import DataError

ROBOFLOW_NAME = "_annotations.coco.json"
_PARTS = ("images", "annotations", "categories")


def read_coco(path: Path) -> Rows:
    """Read a COCO file. File names are relative to its folder, or to an `images` or split folder near it.

    The column `objects` holds, as in the Hugging Face ImageFolder, {"bbox": [[x, y, width, height], ...], "category":
    [name, ...]} in pixels of the original picture. Crowd regions count for the labels and keep their box.
    Raises `DataError` for what is not COCO, unknown ids, and pictures that are not there.
    """
    data = _load(path)
    names = _categories(path, data["categories"])
    ids = [image.get("id") for image in data["images"]]
    twice = [key for key, n in Counter(ids).items() if n > 1]
    if twice:
        raise DataError(f"{path} has two images with the id {twice[0]}; give each its own.")
    boxes, categories = _annotations(path, data["annotations"], set(ids), names)
    written = [str(image.get("file_name") or "") for image in data["images"]]
    if "" in written:
        raise DataError(f"{path}: the image with the id {ids[written.index('')]} has no file_name; add it.")
    folder = _folder_of(path, written)
    rows = Rows(multi_label=True)
    rows.files, rows.sources = resolve_files(written, folder, str(path))
    again = [file for file, n in Counter(rows.files).items() if n > 1]
    if again:
        raise DataError(f"{path} has two images named {again[0]}; keep one.")
    split = next((SPLIT_NAMES[word] for word in _words(path.stem) if word in SPLIT_NAMES), "")
    rows.splits = [split_of_path(file) or split for file in rows.files]
    rows.labels = [sorted(set(categories[key])) for key in ids]
    rows.columns = {"objects": [{"bbox": boxes[key], "category": categories[key]} for key in ids]}
    empty = sum(not labels for labels in rows.labels)
    if empty:
        rows.notes.append(
            f"{empty} pictures in {path.name} have no annotation; they count as showing none of the labels."
        )
    return rows


def is_coco(path: Path) -> bool:
    """Whether the JSON file at `path` has the three lists of a COCO file; malformed JSON is a `DataError`."""
    data = _parse(path)
    return isinstance(data, dict) and all(isinstance(data.get(part), list) for part in _PARTS)


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}); mend it.") from error


def _load(path: Path) -> dict[str, Any]:
    data = _parse(path)
    lacking = [part for part in _PARTS if not isinstance(data, dict) or not isinstance(data.get(part), list)]
    if lacking:
        raise DataError(f"{path} is not COCO JSON: it has no list '{lacking[0]}'; COCO has {', '.join(_PARTS)}.")
    for part in _PARTS:
        if not all(isinstance(entry, dict) for entry in data[part]):
            raise DataError(f"{path} is not COCO JSON: '{part}' is to be a list of objects.")
    return data


def _categories(path: Path, entries: list[dict[str, Any]]) -> dict[Any, str]:
    names = {entry.get("id"): label_text(entry.get("name")) for entry in entries}
    for key, name in names.items():
        if not name:
            raise DataError(f"{path}: the category with the id {key} has no name; add it.")
    return names


def _annotations(
    path: Path, entries: list[dict[str, Any]], ids: set[Any], names: dict[Any, str]
) -> tuple[dict[Any, list[list[float]]], dict[Any, list[str]]]:
    boxes: dict[Any, list[list[float]]] = defaultdict(list)
    categories: dict[Any, list[str]] = defaultdict(list)
    strange = Counter(entry.get("category_id") for entry in entries if entry.get("category_id") not in names)
    if strange:
        key, n = strange.most_common(1)[0]
        known = ", ".join(f"{k} {name}" for k, name in list(names.items())[:6])
        raise DataError(
            f"{path}: {n} annotations have the category id {key}, which 'categories' lacks ({known}); add it."
        )
    for entry in entries:
        image = entry.get("image_id")
        if image not in ids:
            raise DataError(
                f"{path}: annotation {entry.get('id')} is for the image id {image}, which 'images' lacks; mend it."
            )
        box = entry.get("bbox", [])
        if not isinstance(box, list) or len(box) not in (0, 4) or not all(isinstance(x, int | float) for x in box):
            raise DataError(f"{path}: annotation {entry.get('id')} has the box {box}; write [x, y, width, height].")
        # An annotation without a box still labels its picture; four NaN keep both lists of one length.
        boxes[image].append([float(x) for x in box] or [float("nan")] * 4)
        categories[image].append(names[entry["category_id"]])
    return boxes, categories


def _folder_of(path: Path, written: list[str]) -> Path:
    """Find the folder that the file names are relative to, by the first few that exist."""
    here = path.parent
    splits = [word for word in (path.stem.rpartition("_")[2], *_words(path.stem)) if word]
    near = [here, here / "images", here.parent, here.parent / "images"]
    near += [base / word for base in (here, here.parent, here / "images", here.parent / "images") for word in splits]
    found = [sum((folder / name).is_file() for name in written[:20]) for folder in near]
    return near[found.index(max(found))] if any(found) else here


def _words(stem: str) -> list[str]:
    text = "".join(sign if sign.isalpha() else " " for sign in stem.lower())
    return text.split()
