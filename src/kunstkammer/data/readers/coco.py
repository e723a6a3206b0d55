"""COCO JSON: the categories annotated in a picture are its labels; boxes and captions are kept beside them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from kunstkammer.data.objects import OBJECTS, annotation_box, reaches_outside
from kunstkammer.data.readers.labelled import resolve_files
from kunstkammer.data.readers.rows import SPLIT_NAMES, Rows, a_few, label_text, split_of_path
from kunstkammer.data.texts import captions_of
from kunstkammer.errors import DataError

ROBOFLOW_NAME = "_annotations.coco.json"
_PARTS = ("images", "annotations", "categories")


def read_coco(path: Path) -> Rows:
    """Read a COCO file: of instances (boxes and their categories), of captions, or of both.

    File names are relative to its folder, or to an `images` or split folder near it. The column `objects` holds the
    boxes as in the Hugging Face ImageFolder (see `data/objects.py`), `captions` the captions of each picture.

    Crowd regions count for the labels and keep their box. An annotation without a box counts for the labels alone;
    that, boxes without an area and boxes that reach outside their picture are noted with the ids of the annotations.
    Raises `DataError` for what is not COCO, unknown ids, wrong boxes, and pictures that are not there.
    """
    data = _load(path)
    ids = [image.get("id") for image in data["images"]]
    twice = [key for key, n in Counter(ids).items() if n > 1]
    if twice:
        raise DataError(f"{path} has two images with the id {twice[0]}; give each its own.")
    written = [str(image.get("file_name") or "") for image in data["images"]]
    if "" in written:
        raise DataError(f"{path}: the image with the id {ids[written.index('')]} has no file_name; add it.")
    things = [entry for entry in data["annotations"] if not _only_caption(entry)]
    told = [entry for entry in data["annotations"] if "caption" in entry]
    _require_images(path, data["annotations"], set(ids))
    rows = Rows(multi_label=bool(things or data["categories"]))
    rows.files, rows.sources = resolve_files(written, _folder_of(path, written), str(path))
    again = [file for file, n in Counter(rows.files).items() if n > 1]
    if again:
        raise DataError(f"{path} has two images named {again[0]}; keep one.")
    split = next((SPLIT_NAMES[word] for word in _words(path.stem) if word in SPLIT_NAMES), "")
    rows.splits = [split_of_path(file) or split for file in rows.files]
    rows.labels = [[] for _ in ids]
    if rows.multi_label:
        _add_things(path, rows, data, things)
    if told:
        _add_captions(path, rows, ids, told)
    return rows


def captions_by_file(path: Path) -> dict[str, list[str]]:
    """Return the captions of each file name in a COCO file. Raises `DataError` where there are none."""
    data = _load(path)
    _require_images(path, data["annotations"], {image.get("id") for image in data["images"]})
    names = {image.get("id"): str(image.get("file_name") or "").replace("\\", "/") for image in data["images"]}
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    for entry in data["annotations"]:
        found[names[entry["image_id"]]] += captions_of(entry.get("caption"))
    if not any(found.values()):
        raise DataError(f"{path} is COCO JSON without captions; give the file whose annotations have a 'caption'.")
    return found


def is_coco(path: Path) -> bool:
    """Whether the JSON file at `path` has the lists of a COCO file; malformed JSON is a `DataError`."""
    return _lacking(_parse(path)) is None


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}); mend it.") from error


def _lacking(data: Any) -> str | None:
    """Return the first list that a COCO file has and this one has not; a file of captions has no categories."""
    if not isinstance(data, dict):
        return _PARTS[0]
    entries = data.get("annotations")
    captions = isinstance(entries, list) and bool(entries) and all(_only_caption(entry) for entry in entries)
    needed = _PARTS[:2] if captions and "categories" not in data else _PARTS
    return next((part for part in needed if not isinstance(data.get(part), list)), None)


def _load(path: Path) -> dict[str, Any]:
    data = _parse(path)
    lacking = _lacking(data)
    if lacking is not None:
        raise DataError(f"{path} is not COCO JSON: it has no list '{lacking}'; COCO has {', '.join(_PARTS)}.")
    data = {"categories": [], **data}
    for part in _PARTS:
        if not all(isinstance(entry, dict) for entry in data[part]):
            raise DataError(f"{path} is not COCO JSON: '{part}' is to be a list of objects.")
    return data


def _only_caption(entry: Any) -> bool:
    return isinstance(entry, dict) and "caption" in entry and "category_id" not in entry and "bbox" not in entry


def _categories(path: Path, entries: list[dict[str, Any]]) -> dict[Any, str]:
    twice = [key for key, n in Counter(entry.get("id") for entry in entries).items() if n > 1]
    if twice:
        raise DataError(f"{path} has two categories with the id {twice[0]}; give each its own.")
    names = {entry.get("id"): label_text(entry.get("name")) for entry in entries}
    for key, name in names.items():
        if not name:
            raise DataError(f"{path}: the category with the id {key} has no name; add it.")
    return names


def _require_images(path: Path, entries: list[dict[str, Any]], ids: set[Any]) -> None:
    for entry in entries:
        if entry.get("image_id") not in ids:
            raise DataError(
                f"{path}: annotation {entry.get('id')} is for the image id {entry.get('image_id')}, which 'images' "
                "lacks; mend it."
            )


def _add_things(path: Path, rows: Rows, data: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """Fill the labels and the column of boxes, and note what is odd."""
    names = _categories(path, data["categories"])
    strange = [entry for entry in entries if entry.get("category_id") not in names]
    if strange:
        known = ", ".join(f"{k} {name}" for k, name in list(names.items())[:6]) or "none"
        raise DataError(
            f"{path}: {len(strange)} annotations have a category id that 'categories' lacks ({known}), such as "
            f"annotation {strange[0].get('id')} with {strange[0].get('category_id')}; add it."
        )
    cells: dict[Any, dict[str, list[Any]]] = {image.get("id"): {"bbox": [], "category": []} for image in data["images"]}
    sizes = {image.get("id"): (image.get("width"), image.get("height")) for image in data["images"]}
    labels = defaultdict(set)
    odd: dict[str, list[Any]] = defaultdict(list)
    for entry in entries:
        image, name = entry["image_id"], names[entry["category_id"]]
        labels[image].add(name)
        box = annotation_box(entry.get("bbox"), f"{path}: annotation {entry.get('id')}")
        if box is None:
            odd["no box, only a label"].append(entry.get("id"))
            continue
        cells[image]["bbox"].append(box)
        cells[image]["category"].append(name)
        if not (box[2] and box[3]):
            odd["a box without an area"].append(entry.get("id"))
        if reaches_outside(box, sizes[image]):
            odd["a box that reaches outside its picture"].append(entry.get("id"))
    rows.labels = [sorted(labels[key]) for key in cells]
    rows.columns[OBJECTS] = list(cells.values())
    rows.notes += [
        f"In {path.name} {_some(ids)} {what} ({a_few([str(key) for key in ids], 6)})." for what, ids in odd.items()
    ]
    empty = sum(not own for own in rows.labels)
    if empty:
        rows.notes.append(
            f"{empty} pictures in {path.name} have no annotation; they count as showing none of the labels."
        )


def _add_captions(path: Path, rows: Rows, ids: list[Any], entries: list[dict[str, Any]]) -> None:
    """Fill the column of captions, in the order of the annotations."""
    found: dict[Any, list[str]] = {key: [] for key in ids}
    blank = []
    for entry in entries:
        own = captions_of(entry["caption"])
        found[entry["image_id"]] += own
        if not own:
            blank.append(str(entry.get("id")))
    rows.columns["captions"] = list(found.values())
    if blank:
        rows.notes.append(f"In {path.name} {_some(blank)} an empty caption ({a_few(blank, 6)}).")
    empty = sum(not own for own in found.values())
    if empty:
        rows.notes.append(f"{empty} pictures in {path.name} have no caption.")


def _some(ids: list[Any]) -> str:
    return "1 annotation has" if len(ids) == 1 else f"{len(ids)} annotations have"


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
