"""What a name of a model means: a folder on this machine or a hub id; and which folders are refused unopened."""

from __future__ import annotations

from pathlib import Path

from kunstkammer.errors import ModelError, guess
from kunstkammer.models.digest import weight_files

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")


def refuse_pickles(folder: Path) -> None:
    """Raise `ModelError` if the only weights in `folder` are a pickle or another format that is not safetensors."""
    if weight_files(folder):
        return
    others = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLES)
    if others:
        raise ModelError(
            f"{folder} holds its weights as {others[0]}, which may run code when opened, and no model.safetensors; "
            "convert it with safetensors (save_pretrained writes it) and try again."
        )
    raise ModelError(f"{folder} holds no model.safetensors; name the folder of a finished run or of a checkpoint.")


def is_folder(name: str | Path) -> bool:
    """Say whether `name` means a folder on this machine rather than a hub id; a missing path raises `ModelError`."""
    path = Path(name)
    if path.is_dir():
        return True
    text = str(name)
    if path.exists():
        raise ModelError(f"{text} is a file; name the folder that holds config.json and model.safetensors.")
    looks_like_path = text.startswith((".", "/", "~")) or text.count("/") != 1 or path.parent.is_dir()
    if looks_like_path:
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise ModelError(f"There is no checkpoint folder {text}.{guess(path.name, siblings)}")
    return False
