"""The secret that signs cookies: given, or made once and kept where only the server's user can read it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets

from kunstkammer.errors import ResourceError
from kunstkammer.files import disk_errors
from kunstkammer.web.settings import Settings

FILE = "secret"


def server_secret(settings: Settings) -> bytes:
    """Return the secret, at least 32 bytes; makes `FOLDER/secret` (mode 0600) the first time.

    Two servers that start at once agree: the file is linked into place whole, and whoever comes second reads it.
    Raises `ResourceError` where the file cannot be written or is too short to be a secret.
    """
    if settings.secret is not None:
        return hashlib.sha256(settings.secret.get_secret_value().encode()).digest()
    path = settings.folder / FILE
    with disk_errors(path):
        settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            partial = settings.folder / f".writing-{secrets.token_hex(8)}"
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(32))
                    file.flush()
                    os.fsync(file.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(partial, path)
            finally:
                partial.unlink(missing_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        secret = path.read_bytes()
    if len(secret) < 32:
        raise ResourceError(
            f"{path} is too short to be a secret; remove it, and a new one is made (all are signed out)."
        )
    return secret


def derived(secret: bytes, purpose: str) -> bytes:
    """Return a key for one purpose alone: HMAC-SHA-256 of the purpose under the secret."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).digest()
