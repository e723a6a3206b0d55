"""What a checkpoint's weights are known by, without opening them: what belongs to them is bound to this."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kunstkammer.errors import ModelError


def weights_digest(folder: str | Path) -> str:
    """Return the SHA-256 of `model.safetensors` in a checkpoint folder, hexadecimal; of several shards, of all of them.

    What was fitted to a model (its calibration, its neighbours) keeps this, and is refused beside other weights.
    Raises `ModelError` where there are none, or they cannot be read.
    """
    files = sorted(Path(folder).glob("model*.safetensors"))
    if not files:
        raise ModelError(f"{folder} holds no model.safetensors; name the folder of a finished run or of a checkpoint.")
    try:
        found = [_digest(file) for file in files]
    except OSError as error:
        raise ModelError(f"The weights in {folder} cannot be read: {error.strerror or error}.") from error
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
