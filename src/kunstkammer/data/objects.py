"""The column `objects`: the boxes of each picture as the Hugging Face ImageFolder has them, checked when it is made.

A cell is {"bbox": [[x, y, width, height], ...], "category": [name, ...]} in pixels of the original picture, "score"
beside it where the boxes have scores, and whatever else the data has for each box. Everyone else sees `Detections`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import pyarrow as pa

from kunstkammer.data.texts import label_text
from kunstkammer.errors import DataError
from kunstkammer.pictures.detections import Detections

OBJECTS = "objects"
OVERHANG = 0.5
"""So many pixels may a box reach out of its picture: tools round."""
_CATEGORIES = ("category", "categories")
_SCORES = ("score", "scores")
_WISH = "write [x, y, width, height] in pixels"


def holds_boxes(values: Iterable[Any]) -> bool:
    """Whether a column of this name is about boxes; another program may count objects in it."""
    return any("bbox" in _entries(value) for value in values)


def tidy_objects(
    values: Sequence[Any], files: Sequence[str], names: Sequence[str] | None = None
) -> tuple[list[Any], list[str]]:
    """Return the cells in the one form above (None where there is none), and notes on what is odd about them.

    Args:
        values: a cell for each picture: lists by key, a list of objects, JSON text of either, or None.
        files: the pictures' names, for errors and notes.
        names: of the categories, where those are numbers.

    An entry whose box is null is left out and noted; a box without an area stays and is noted. Raises `DataError` with
    the file for what is no cell, a box that is not 4 finite numbers or has a negative side, and lists of other lengths.
    A column without any box of this form comes back as it is.
    """
    if not holds_boxes(values):
        told = [f"The column '{OBJECTS}' holds no boxes ({{'bbox': ..., 'category': ...}}); it is kept as it is."]
        return list(values), told if any(value not in (None, "") for value in values) else []
    cells, missing, flat = [], [], []
    for value, file in zip(values, files, strict=True):
        cell, without = _tidy(value, file, names)
        cells.append(cell)
        missing += [file] * without
        flat += [file] * sum(not (row[2] and row[3]) for row in cell["bbox"]) if cell else []
    notes = []
    if missing:
        notes.append(f"{_some(missing, 'object')} no box (bbox null) and cannot be shown or measured: {_few(missing)}.")
    if flat:
        notes.append(f"{_some(flat, 'box', 'boxes')} no area: {_few(flat)}.")
    return cells, notes


def objects_array(cells: Sequence[Any], of_column: Any) -> pa.Array:
    """Return tidy cells as an Arrow array; `of_column` (name, values) makes those of the keys that we do not know."""
    rows = [cell or {} for cell in cells]
    keys = dict.fromkeys(key for row in rows for key in row)
    types = {
        "bbox": pa.list_(pa.list_(pa.float64())),
        "category": pa.list_(pa.string()),
        "score": pa.list_(pa.float64()),
    }
    arrays = []
    for key in keys:
        values = [row.get(key) for row in rows]
        arrays.append(pa.array(values, types[key]) if key in types else of_column(key, values))
    return pa.StructArray.from_arrays(arrays, list(keys), mask=pa.array([cell is None for cell in cells]))


def detections_of(cell: Any, file: str) -> Detections:
    """Return the boxes of one cell; none where it is None. Raises `DataError` with the file as `tidy_objects` does."""
    tidy, _ = _tidy(cell, file, None)
    if tidy is None:
        return Detections()
    return Detections.from_coco(tidy["bbox"], tidy["category"], tidy.get("score"), where=file)


def cell_of(found: Detections) -> dict[str, Any]:
    """Return the cell that holds these boxes."""
    cell: dict[str, Any] = {"bbox": found.to_coco().tolist(), "category": list(found.labels)}
    return cell if found.scores is None else cell | {"score": found.scores.tolist()}


def without_categories(cell: Any, gone: set[str]) -> Any:
    """Return a tidy cell without the boxes of some categories."""
    if cell is None:
        return None
    return _at(cell, [k for k, name in enumerate(cell["category"]) if name not in gone])


def joined_cells(first: Any, second: Any) -> Any:
    """Return one tidy cell with the boxes of two; of two equal ones the first."""
    if first is None or second is None or first == second:
        return second if first is None else first
    counts = [len(cell["bbox"]) for cell in (first, second)]
    keys = dict.fromkeys([*first, *second])
    both = [key for key in keys if first.get(key) is not None or second.get(key) is not None]
    if not all(cell.get("score") is not None for cell in (first, second)):
        both = [key for key in both if key != "score"]  # half of the boxes would have none
    pairs = {key: [cell.get(key) for cell in (first, second)] for key in both}
    return {
        key: [value for own, count in zip(pair, counts, strict=True) for value in (own or [None] * count)]
        for key, pair in pairs.items()
    }


def annotation_box(box: Any, where: str) -> list[float] | None:
    """Return one box [x, y, width, height] as floats; None for none at all (null, an empty list, four nulls).

    Raises `DataError`, with `where` before it, for what is no box or has a negative side.
    """
    box = box.tolist() if hasattr(box, "tolist") else box
    if box is None or (isinstance(box, Sequence) and not isinstance(box, str) and all(_absent(x) for x in box)):
        return None
    numbers = isinstance(box, Sequence) and all(isinstance(x, Real) and not isinstance(x, bool) for x in box)
    if not numbers or len(box) != 4:
        raise DataError(f"{where} has the box {box}; {_WISH}.")
    row = [float(x) for x in box]
    if not all(math.isfinite(x) for x in row):
        raise DataError(f"{where} has the box {box}, whose numbers are not finite; {_WISH}.")
    if row[2] < 0 or row[3] < 0:
        raise DataError(f"{where} has the box {box}, whose width or height is negative; {_WISH}.")
    return row


def reaches_outside(row: Sequence[float], size: Sequence[Any]) -> bool:
    """Whether a box [x, y, width, height] reaches out of a picture of (width, height) by more than `OVERHANG`.

    A size that is not known (None) has no edge on the right and below.
    """
    ends = (row[0] + row[2], row[1] + row[3])
    beyond = (isinstance(side, Real) and end > float(side) + OVERHANG for end, side in zip(ends, size, strict=True))
    return min(row[0], row[1]) < -OVERHANG or any(beyond)


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _entries(value: Any) -> dict[str, Any]:
    """Return a cell as lists by key, whichever way it is written; {} for what is no cell."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return {}
    if isinstance(value, list | tuple) and value and all(isinstance(entry, dict) for entry in value):
        keys = dict.fromkeys(key for entry in value for key in entry)
        return {key: [entry.get(key) for entry in value] for key in keys}
    if not isinstance(value, dict):
        return {}
    return {key: own.tolist() if hasattr(own, "tolist") else own for key, own in value.items()}


def _tidy(value: Any, file: str, names: Sequence[str] | None) -> tuple[dict[str, Any] | None, int]:
    """Return a tidy cell, and how many of its objects have no box."""
    if _absent(value) or value in ("", []):
        return None, 0
    cell = _entries(value)
    if not isinstance(cell.get("bbox"), list | tuple):
        raise DataError(
            f"{file}: the column '{OBJECTS}' is to hold {{'bbox': [[x, y, width, height], ...], 'category': [...]}}."
        )
    count = len(cell["bbox"])
    rows = [annotation_box(box, f"{file}: object {k} in '{OBJECTS}'") for k, box in enumerate(cell["bbox"])]
    given = next((cell[key] for key in _CATEGORIES if cell.get(key) not in (None, [])), [None] * count)
    scores = next((cell[key] for key in _SCORES if cell.get(key) not in (None, [])), None)
    for what, values in (("categories", given), ("scores", scores)):
        if values is not None and (not isinstance(values, list | tuple) or len(values) != count):
            many = len(values) if isinstance(values, list | tuple) else repr(values)
            raise DataError(f"{file}: {many} {what} for {count} boxes in '{OBJECTS}'; give a list with one for each.")
    tidy: dict[str, Any] = {"bbox": rows, "category": [_name(one, names, file) for one in given]}
    if scores is not None:
        odd = [one for one in scores if not isinstance(one, Real) or isinstance(one, bool) or not math.isfinite(one)]
        if odd:
            raise DataError(f"{file}: a score in '{OBJECTS}' is {odd[0]!r}; give a finite number for each box.")
        tidy["score"] = [float(one) for one in scores]
    known = {"bbox", *_CATEGORIES, *_SCORES}
    tidy |= {k: list(v) for k, v in cell.items() if k not in known and isinstance(v, list | tuple) and len(v) == count}
    there = [k for k, row in enumerate(rows) if row is not None]
    return (tidy if len(there) == count else _at(tidy, there)), count - len(there)


def _at(cell: dict[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """Return the boxes at `places`; a key that this picture lacks (others of the table have it) stays absent."""
    return {key: [values[k] for k in places] for key, values in cell.items() if values is not None}


def _name(value: Any, names: Sequence[str] | None, file: str) -> str:
    if names is None or not isinstance(value, int):
        return label_text(value)
    if value >= len(names):
        raise DataError(f"{file}: there is no category {value} in '{OBJECTS}'; there are {len(names)}, from 0.")
    return names[value] if value >= 0 else ""


def _some(files: Sequence[str], thing: str, things: str | None = None) -> str:
    return f"1 {thing} has" if len(files) == 1 else f"{len(files)} {things or thing + 's'} have"


def _few(files: Sequence[str], limit: int = 3) -> str:
    own = list(dict.fromkeys(files))
    return ", ".join(own[:limit]) + (f" and {len(own) - limit} more pictures" if len(own) > limit else "")
