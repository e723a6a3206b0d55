"""Predictions as files: CSV for people and spreadsheets, JSONL for programs.

CSV: the columns `file`, `label`, `probability`, then one column a label. With many labels `label` holds those above
0.5 joined by "|", and `probability` is that of the most probable one. A spreadsheet runs a cell that begins with
= + - @ as a formula, and pictures gathered from the web can bear any name: such a file is written "./=name" (the same
path), such a label "'=name". `load` undoes both.

JSONL: one object a line with `file`, `label` (or `labels`), `probability`, `probabilities` (label -> probability) and
`truth` where it is known. Names are written as they are.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.files import atomic_file

if TYPE_CHECKING:
    from kunstkammer.evaluation.predictions import Predictions

UNLABELLED = -1

SEPARATOR = "|"
_HEAD = ["file", "label", "probability"]
_RISKY = re.compile(r"[=+\-@\t\r]")
_RISKY_LABEL = re.compile(r"'*[=+\-@\t\r]")


class Columns(NamedTuple):
    """What a file of predictions holds: the attributes of `Predictions` by these names."""

    files: list[str]
    label_names: tuple[str, ...]
    probabilities: np.ndarray
    targets: np.ndarray | None
    multi_label: bool


def save(predictions: Predictions, path: Path) -> Path:
    """Write predictions to a .csv or .jsonl file, whole or not at all, and return its path."""
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl}
    if path.suffix.lower() not in writers:
        raise DataError(f"Predictions are written as .csv or .jsonl, not '{path.suffix}': rename {path.name}.")
    with atomic_file(path) as partial:
        writers[path.suffix.lower()](predictions, partial)
    return path


def load(path: Path, multi_label: bool | None = None) -> Columns:
    """Read a .csv or .jsonl file that `save` wrote; raises `DataError` where it is not one."""
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    if path.suffix.lower() not in readers:
        raise DataError(f"Predictions are read from .csv or .jsonl, not '{path.suffix}' ({path.name}).")
    try:
        return readers[path.suffix.lower()](path, multi_label)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{path} is not a table of predictions: {error}.") from error


def _write_csv(predictions: Predictions, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEAD + [_guard_label(name) for name in predictions.label_names])
        for i, (name, row) in enumerate(zip(predictions.files, predictions.probabilities, strict=True)):
            label = SEPARATOR.join(predictions.predicted(i))
            writer.writerow([_guard_file(name), _guard_label(label), _digits(row.max()), *map(_digits, row)])


def _read_csv(path: Path, multi_label: bool | None) -> Columns:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        head = next(rows, [])
        if head[:3] != _HEAD or len(head) < 4:
            raise ValueError(f"its columns should be {', '.join(_HEAD)} and one for each label")
        table = [row for row in rows if row]
    ragged = next((number for number, row in enumerate(table, 2) if len(row) != len(head)), None)
    if ragged is not None:
        raise ValueError(f"row {ragged} has another number of cells than the first")
    probabilities = np.array([row[3:] for row in table], dtype=np.float64).reshape(len(table), len(head) - 3)
    if multi_label is None:
        multi_label = bool(np.any(np.abs(probabilities.sum(axis=1) - 1) > 1e-3))
    files = [_bare_file(row[0]) for row in table]
    return Columns(files, tuple(map(_bare_label, head[3:])), probabilities, None, multi_label)


def _write_jsonl(predictions: Predictions, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for line in _objects(predictions):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _objects(predictions: Predictions) -> Iterator[dict[str, Any]]:
    keys = _distinct(predictions.label_names)
    for i, (name, row) in enumerate(zip(predictions.files, predictions.probabilities, strict=True)):
        said, truth = predictions.predicted(i), predictions.truth(i)
        line: dict[str, Any] = {"file": name}
        line |= {"labels": list(said)} if predictions.multi_label else {"label": said[0]}
        line["probability"] = float(row.max())
        line["probabilities"] = dict(zip(keys, row.tolist(), strict=True))
        if truth is not None:
            line["truth"] = list(truth)
        yield line


def _distinct(names: tuple[str, ...]) -> list[str]:
    """Return keys for an object: ImageNet, for one, has two labels named "crane"."""
    seen: dict[str, int] = {}
    keys = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        keys.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return keys


def _read_jsonl(path: Path, multi_label: bool | None) -> Columns:
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    names = tuple(lines[0]["probabilities"])
    many = "labels" in lines[0] if multi_label is None else multi_label
    probabilities = np.array([[line["probabilities"][name] for name in names] for line in lines], dtype=np.float64)
    targets = None
    if any("truth" in line for line in lines):
        targets = np.stack([_target(line.get("truth"), names, many) for line in lines])
    return Columns([line["file"] for line in lines], names, probabilities, targets, many)


def _target(truth: list[str] | None, names: tuple[str, ...], many: bool) -> np.ndarray:
    if not many:
        return np.array(UNLABELLED if truth is None else names.index(truth[0]), dtype=np.int64)
    if truth is None:
        return np.full(len(names), UNLABELLED, dtype=np.float32)
    return np.isin(np.array(names, dtype=object), truth).astype(np.float32)


def _digits(value: float) -> str:
    return format(value, ".9g")


def _guard_file(name: str) -> str:
    return f"./{name}" if _RISKY.match(name) else name


def _bare_file(cell: str) -> str:
    return cell[2:] if cell.startswith("./") and _RISKY.match(cell[2:]) else cell


def _guard_label(name: str) -> str:
    return f"'{name}" if _RISKY_LABEL.match(name) else name


def _bare_label(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _RISKY_LABEL.match(cell) else cell
