"""The order of the packages and the absence of circles, imports inside functions included."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT, Import, circles, imports, modules

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@cache
def layers() -> list[list[str]]:
    """Return the layers of the contract in pyproject.toml, the highest first; those in one line are siblings."""
    contracts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = [one for one in contracts if one["type"] == "layers"]
    return [[name.strip() for name in line.split("|")] for line in contract["layers"]]


@cache
def place_of(module: str) -> tuple[int, str] | None:
    """Return the number of a module's layer, the highest first, and its package; None for what stands beside them."""
    for number, siblings in enumerate(layers()):
        for package in siblings:
            if module == package or module.startswith(f"{package}."):
                return number, package
    return None


def test_imports_run_downward_only() -> None:
    upward = []
    for one in imports():
        importer, imported = place_of(one.importer), place_of(one.imported)
        if importer is None or imported is None or importer[1] == imported[1]:
            continue
        if imported[0] <= importer[0]:
            upward.append(str(one))
    assert not upward, "\n".join(["These imports run upward; move what both need into the lower package:", *upward])


def test_only_what_everyone_may_use_stands_beside_the_layers() -> None:
    beside = {name for name in modules() if place_of(name) is None}
    assert beside == {ROOT, *(f"{ROOT}.{name}" for name in ("__main__", "_hook", "version", "recipes"))}
    low = beside - {ROOT, f"{ROOT}.__main__"}
    assert not [str(one) for one in imports() if one.importer in low and one.imported not in beside]


def test_no_modules_import_one_another() -> None:
    found = imports()
    rings = circles(found)
    said = [str(one) for ring in rings for one in found if one.importer in ring and one.imported in ring]
    assert not rings, "\n".join(["These imports go round; move what two modules need into the lower one:", *said])


def test_imports_inside_functions_are_read_and_those_for_types_are_not() -> None:
    found = [str(one).split(":")[0] + " " + one.imported for one in imports()]
    assert "kunstkammer.data.collection kunstkammer.data.saving" in found  # inside a method
    assert "kunstkammer.data.saving kunstkammer.data.collection" not in found  # under TYPE_CHECKING
    assert circles([Import("a", "b", 1), Import("b", "c", 1), Import("c", "a", 1)]) == [["a", "b", "c"]]
    assert circles([Import("a", "b", 1), Import("a", "c", 1)]) == []


PACKAGES = sorted(name for name, path in modules().items() if path.name == "__init__.py")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_what_it_is_for_what_it_may_import_and_its_public_names(package: str) -> None:
    text = ast.get_docstring(ast.parse(modules()[package].read_text(encoding="utf-8"))) or ""
    for word in ("May import:", "Public:"):
        assert word in text, f"The docstring of {package} lacks a sentence that begins with '{word}'."
    # What it may import is what it does import: each layer it uses is named.
    said = text.partition("May import:")[2].partition("Public:")[0]
    own = place_of(package)
    used = set()
    for one in imports():
        imported = place_of(one.imported)
        if own and imported and imported[1] != own[1] and (one.importer + ".").startswith(f"{package}."):
            used.add(imported[1].removeprefix(f"{ROOT}."))
    if "anything below" not in said:
        missing = sorted(name for name in used if f"`{name}`" not in said)
        assert not missing, f"{package} imports {', '.join(missing)}, which its docstring does not name."
