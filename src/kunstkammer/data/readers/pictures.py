"""Pictures named one by one, and folders of them, without labels: what `predict` and `explain` are given."""

from __future__ import annotations

import os
from pathlib import Path

from kunstkammer.data.collection import Collection
from kunstkammer.data.readers.rows import Rows
from kunstkammer.data.readers.scan import require_folder, scan
from kunstkammer.errors import DataError


def read_pictures(paths: list[Path], name: str = "pictures") -> Collection:
    """Return an unlabelled collection of the pictures at `paths`; folders are searched to the bottom, each file once.

    A file that is named counts as a picture whatever its suffix. Names are relative to the deepest folder that holds
    all paths; for one folder that is the folder itself. Raises `DataError` for a path with nothing at it, and when
    there is no picture.
    """
    if not paths:
        raise DataError("No picture is named; name files or folders.")
    rows = Rows()
    whole: list[str] = []
    for path in paths:
        require_folder(path)
        absolute = Path(os.path.normpath(path.absolute()))
        if path.is_dir():
            found = scan(path)
            if not found.pictures:
                raise DataError(f"The folder {path} has no picture in it; name another.")
            whole += [(absolute / inner).as_posix() for inner in found.pictures]
            rows.ignored += found.refused
        else:
            whole.append(absolute.as_posix())
    unique = list(dict.fromkeys(whole))
    tops = {Path(os.path.normpath(path.absolute())) for path in paths}
    root = Path(os.path.commonpath([top if top.is_dir() else top.parent for top in tops]))
    for path_text in unique:
        rows.add(Path(path_text).relative_to(root).as_posix(), path_text, [], "")
    return rows.collection(name, root)
