"""Writing safetensors so that a full disk is named as such."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


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
