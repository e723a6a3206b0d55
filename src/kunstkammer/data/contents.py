"""What a picture is known again by: the SHA-256 of its file, whatever it is called and wherever it lies."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from kunstkammer.errors import PictureError

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection


def content_hashes(collection: Collection, *, workers: int | None = None) -> list[str]:
    """Return the SHA-256 of each picture's file, hexadecimal; "" for one that cannot be opened.

    The same as `Survey.sha256`, except that nothing is decoded: a damaged picture has a hash here.
    """
    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="hash") as pool:
        return list(pool.map(lambda i: _hash(collection, i), range(len(collection))))


def _hash(collection: Collection, index: int) -> str:
    try:
        source = collection.source(index)
    except PictureError:  # a row without a file
        return ""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        if not Path(source).is_file():  # a pipe would wait for ever
            return ""
        with Path(source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
