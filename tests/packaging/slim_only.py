"""Let a process import nothing but the standard library, Kunstkammer and what kunstkammer-slim depends on.

With this folder on PYTHONPATH as `sitecustomize`, or imported first: a host on which nothing else is installed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def allowed_distributions() -> set[str]:
    """Return the normalised names of what kunstkammer-slim[postgres] brings along, directly or not."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "packaging" / "slim" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [(text, "") for text in [*project["dependencies"], *project["optional-dependencies"]["postgres"]]]
    found: set[str] = set()
    while todo:
        text, extra = todo.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = requirement.name.lower().replace("_", "-")
        extras = ["", *requirement.extras]
        if name in found and not requirement.extras:
            continue
        found.add(name)
        todo += [(below, one) for below in metadata.requires(requirement.name) or [] for one in extras]
    return found


class _Refuser(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        allowed = allowed_distributions()
        self.refused = {
            module
            for module, owners in metadata.packages_distributions().items()
            if not {owner.lower().replace("_", "-") for owner in owners} & {*allowed, "kunstkammer"}
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self.refused:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def refuse_all_else() -> None:
    """Refuse from now on what kunstkammer-slim does not bring along."""
    refuser = _Refuser()
    for name in [name for name in sys.modules if name.partition(".")[0] in refuser.refused]:
        del sys.modules[name]
    sys.meta_path.insert(0, refuser)


if __name__ == "__main__":  # python -m tests.packaging.slim_only serve EXPORTED ...
    refuse_all_else()
    from kunstkammer.cli import main

    main()
