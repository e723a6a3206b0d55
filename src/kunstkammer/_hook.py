"""Makes `import kunstkammer` enough for `transformers` to open Kunstkammer's own networks and image processor.

`transformers` finds a network by the name in `config.json`, and ours has to be told to it; an image processor likewise,
by `preprocessor_config.json`. Importing it only for that would cost a second at every start of the command; so the
telling waits until its table of networks, or of image processors, is imported by whoever needs it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

NETWORKS = "transformers.models.auto.modeling_auto"
PROCESSORS = "transformers.models.auto.image_processing_auto"


class _Afterwards(importlib.abc.Loader):
    """A loader that runs the real one and then imports one more module."""

    def __init__(self, real: importlib.abc.Loader, then: str) -> None:
        self.real = real
        self.then = then

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.real.exec_module(module)
        importlib.import_module(self.then)


class _Finder(importlib.abc.MetaPathFinder):
    """Waits for a table, once."""

    def __init__(self, table: str, then: str) -> None:
        self.table = table
        self.then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.table:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = _Afterwards(spec.loader, self.then)
        return spec


def when_transformers_is_imported(then: str, table: str = NETWORKS) -> None:
    """Import the module `then` right after `transformers` has built its `table`, or now if it has."""
    if table in sys.modules:
        importlib.import_module(then)
    else:
        sys.meta_path.insert(0, _Finder(table, then))
