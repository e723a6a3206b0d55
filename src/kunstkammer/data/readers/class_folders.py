"""Folders whose names are labels: class folders, class folders inside split folders, and flat folders without any."""

from __future__ import annotations

from pathlib import Path

from kunstkammer.data.readers.rows import SPLIT_NAMES, Rows, a_few, label_text
from kunstkammer.data.readers.scan import Found
from kunstkammer.errors import DataError


def split_folders(found: Found, where: Path) -> dict[str, str]:
    """Return {folder: split} when the folders at the top are splits, else {}.

    A single folder named "train" between others is a class (a museum may well have trains); two splits or more beside
    further folders with pictures are a riddle, and a `DataError`.
    """
    full = {path.split("/")[0] for path in found.pictures if "/" in path}
    splits = {top: SPLIT_NAMES[top.lower()] for top in sorted(full) if top.lower() in SPLIT_NAMES}
    rest = sorted(full - set(splits))
    if rest and len(set(splits.values())) >= 2:
        raise DataError(
            f"{where} has the split folders {a_few(sorted(splits))} and beside them other folders with pictures "
            f"({a_few(rest)}); move those into a split folder or out of it."
        )
    return {} if rest else splits


def read_class_folders(root: Path, found: Found, prefix: str = "", split: str = "") -> Rows:
    """Read the folder `prefix` below `root`: each folder in it is a class, whatever lies deeper belongs to that class.

    Where no folder holds a picture, the pictures of the folder itself are taken, without labels.
    """
    rows = Rows(ignored=[(path, why) for path, why in found.refused if path.startswith(prefix)])
    pictures = [path[len(prefix) :] for path in found.pictures if path.startswith(prefix)]
    inside = [path for path in pictures if "/" in path]
    loose = [path for path in pictures if "/" not in path]
    base = f"{root.as_posix().rstrip('/')}/{prefix}"
    if not inside:
        for path in loose:
            rows.add(prefix + path, base + path, [], split)
        return rows
    for path in inside:
        rows.add(prefix + path, base + path, [label_text(path.split("/")[0])], split)
    rows.ignored += [(prefix + path, "lies beside the class folders, not in one") for path in loose]
    classes = [path for path in (p[len(prefix) :] for p in found.folders if p.startswith(prefix)) if "/" not in path]
    full = {path.split("/")[0] for path in inside}
    rows.empty_classes = [prefix + name for name in classes if name not in full]
    for path in found.others:
        if path.startswith(prefix) and "/" in path[len(prefix) :]:
            rows.ignored.append((path, "not a picture, by its suffix"))
    return rows
