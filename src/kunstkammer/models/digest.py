"""What a checkpoint's weights are known by, without opening them: what belongs to them is bound to this."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from kunstkammer.errors import ModelError

WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"


def weight_files(folder: str | Path) -> list[Path]:
    """Return the files that hold a checkpoint's weights, in the order of their names; [] where there are none.

    `model.safetensors`, or the shards that `model.safetensors.index.json` names: `transformers` chooses the same way.
    Other safetensors in the folder (text features, patterns) are not weights. Raises `ModelError` for a damaged index,
    or one that names a shard which is not there.
    """
    folder = Path(folder)
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    index = folder / INDEX_FILE
    if not index.is_file():
        return []
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"{index} is damaged ({error}); copy the checkpoint again.") from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder} lacks {missing[0]}, a part of its weights; copy the checkpoint again.")
    return [folder / name for name in names]


def weights_digest(folder: str | Path) -> str:
    """Return the SHA-256 of `model.safetensors` in a checkpoint folder, hexadecimal; of several shards, of all of them.

    What was fitted to a model (its calibration, its neighbours) keeps this, and is refused beside other weights.
    Raises `ModelError` where there are none, or they cannot be read.
    """
    files = weight_files(folder)
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
