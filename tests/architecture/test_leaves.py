"""Packages that nothing else needs can be left out: all else goes on, and what is missing is said when asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kunstkammer.registry import HOMES

ROOT = Path(__file__).parents[2]

HIDE = """
import importlib.abc, json, sys

leaf = sys.argv[1]

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if f"{name}.".startswith(f"{leaf}."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())

import kunstkammer
from tests.cli.command import run

said = {}
for words in json.loads(sys.argv[2]):
    done = run(*words)
    said[" ".join(words)] = [done.status, done.stdout, done.stderr]
print(json.dumps(said))
"""


def without(leaf: str, *commands: list[str]) -> dict[str, list]:
    """Run commands where a package is hidden; return the status, stdout and stderr of each."""
    ran = subprocess.run(
        [sys.executable, "-c", HIDE, leaf, json.dumps(commands)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


LEAVES = {
    "kunstkammer.explanation.quality": (
        ["explain-quality", "RUN", "DATA"], "kunstkammer.explanation.quality"),
    "kunstkammer.web": (["serve", "RUN"], "kunstkammer.web"),
    "kunstkammer.data.drawn.faces": (
        ["draw", "faces", "--out", "OUT"], "There is no kind of drawing 'faces'"),
    "kunstkammer.explanation.patterns": (["fit-patterns", "RUN", "DATA"], "kunstkammer.explanation.patterns"),
}  # fmt: skip


@pytest.mark.parametrize("leaf", LEAVES)
def test_all_else_goes_on_without_a_leaf(leaf):
    asked, message = LEAVES[leaf]
    kinds = [["list", kind] for kind in HOMES]
    said = without(leaf, ["--help"], ["list"], *kinds, asked)
    for words in (["--help"], ["list"], *kinds):
        status, out, err = said[" ".join(words)]
        assert status == 0, err
        assert out
    for kind in HOMES:
        lacks = [module for module in HOMES[kind] if f"{module}.".startswith(f"{leaf}.")]
        assert (leaf in said[f"list {kind}"][2]) == bool(lacks), kind
    status, _, err = said[" ".join(asked)]
    assert status == 1
    assert message in err
    assert "not part of this installation" in err.lower()
    assert len(err.strip().splitlines()) == 1
