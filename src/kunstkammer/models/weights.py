"""Weights on disk: none drawn at random in silence when they are read, and a full disk named when they are written."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from kunstkammer.errors import ModelError


def require_weights(name: str, kind: str, missing: Iterable[str], fix: str) -> None:
    """Raise `ModelError` where a checkpoint lacks weights that the network needs: they would be drawn at random.

    Args:
        name: of the checkpoint.
        kind: the network's class.
        missing: names of the weights that the network needs and the checkpoint lacks.
        fix: what to do, put behind "; ".
    """
    names = sorted(missing)
    if names:
        raise ModelError(
            f"{name} lacks {len(names)} weights of a {kind} (the first: {names[0]}), which would be drawn at random; "
            f"{fix}."
        )


@contextlib.contextmanager
def safetensors_as_os_errors() -> Iterator[None]:
    """Turn the library's own error for disk trouble into the `OSError` that it was; others come through."""
    try:
        yield
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        number = int(code.group(1))
        raise OSError(number, os.strerror(number)) from error


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write detached copies on the CPU, contiguous, to one safetensors file. Raises `OSError` when the disk refuses."""
    with safetensors_as_os_errors():
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
