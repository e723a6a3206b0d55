"""Style sheets, scripts and signs, served from the package under a URL that changes whenever one of them does."""

from __future__ import annotations

import functools
import hashlib
import mimetypes
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
LONG = "public, max-age=31536000, immutable"

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")
mimetypes.add_type("application/manifest+json", ".webmanifest")


@functools.cache
def files() -> dict[str, bytes]:
    """Return every file by its path below static/."""
    return {p.relative_to(FOLDER).as_posix(): p.read_bytes() for p in sorted(FOLDER.rglob("*")) if p.is_file()}


@functools.cache
def key() -> str:
    """Return a hash of all of them: one for all, because scripts import each other by relative paths."""
    found = hashlib.sha256()
    for name, data in files().items():
        found.update(f"{name}\0{len(data)}\0".encode() + data)
    return found.hexdigest()[:12]


def url(name: str) -> str:
    """Return where a file is served; KeyError for one that is not there."""
    files()[name]
    return f"/static/{key()}/{name}"


def kind(name: str) -> str:
    """Return the Content-Type of a file."""
    found = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found
