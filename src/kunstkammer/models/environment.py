"""What must fit on this machine before `transformers` is imported, said once and in plain words."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
from collections.abc import Iterator

from kunstkammer.errors import ModelError


def require_fitting_torchvision() -> None:
    """Raise `ModelError` if a torchvision is installed that was built for another torch.

    Such a torchvision makes every import of a `transformers` model fail with a message that names neither. Kunstkammer
    does not need torchvision; so the mend is to remove it or to install the one that fits. Nothing is imported here:
    the packages' own metadata say which torch a torchvision was built for.
    """
    try:
        wanted = importlib.metadata.requires("torchvision") or []
        torch = importlib.metadata.version("torch").split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in wanted:
        match = re.match(r"torch\s*\(?==\s*([\d.]+)", requirement)
        if match and match.group(1) != torch:
            version = importlib.metadata.version("torchvision")
            raise ModelError(
                f"The installed torchvision {version} was built for torch {match.group(1)}, but torch {torch} is "
                "installed, which breaks transformers. Kunstkammer needs no torchvision: pip uninstall torchvision."
            )


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and advice of `transformers` inside the block; its errors still come through."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
