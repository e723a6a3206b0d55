"""Read who imports whom in `src/kunstkammer`, from the source alone: nothing is imported.

Imports inside functions count; imports under `if TYPE_CHECKING:` do not, for they never run.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import kunstkammer

SOURCE = Path(kunstkammer.__file__).parent
ROOT = "kunstkammer"


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported` at `line`; both are modules of the package."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name; a package stands for its `__init__.py`."""
    found: dict[str, Path] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join((ROOT, *parts))] = path
    return found


@cache
def imports() -> list[Import]:
    """Return every import between two modules of the package that can run."""
    known = modules()
    found: list[Import] = []
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _targets(node, package, known):
                if target != name:
                    found.append(Import(name, target, node.lineno))
    return found


def circles(found: list[Import]) -> list[list[str]]:
    """Return the groups of modules that reach one another by imports (Tarjan 1972), each sorted."""
    reaches: dict[str, set[str]] = {}
    for one in found:
        reaches.setdefault(one.importer, set()).add(one.imported)
        reaches.setdefault(one.imported, set())
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(reaches[module]):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            place = stack.index(module)
            groups.append(sorted(stack[place:]))
            del stack[place:]

    for module in sorted(reaches):
        if module not in index:
            visit(module)
    return sorted(group for group in groups if len(group) > 1)


def _running(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements of a module but those under `if TYPE_CHECKING:`."""
    found: list[ast.Import | ast.ImportFrom] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                found.extend(_running(ast.Module([other], [])))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
        else:
            found.extend(_running(node))
    return found


def _targets(node: ast.Import | ast.ImportFrom, package: str, known: dict[str, Path]) -> list[str]:
    """Return the modules of the package that one statement names: `from a import b` is a.b where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in known]
    base = node.module or ""
    if node.level:
        above = package.split(".")
        above = above[: len(above) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    targets = []
    for alias in node.names:
        whole = f"{base}.{alias.name}"
        if whole in known:
            targets.append(whole)
        elif base in known:
            targets.append(base)
    return list(dict.fromkeys(targets))
