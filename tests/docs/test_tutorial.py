"""The tutorial says what is true: its commands and its Python are run, in order, in an empty folder."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.command import run

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[tuple[str, str]]:
    return [(kind, code) for kind, code in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_the_tutorial_runs_from_the_first_line_to_the_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    commands = 0
    for kind, code in blocks("tutorial.md"):
        if kind == "python":
            exec(compile(code, "tutorial.md", "exec"), names)
            continue
        for line in code.splitlines():
            assert line.startswith("$ kunstkammer "), line
            done = run(*shlex.split(line)[2:])
            assert done.status == 0, f"{line}: {done.stderr}"
            commands += 1
    assert commands >= 7
    for made in (
        "pages",
        "health.html",
        "runs/first/report.html",
        "predictions.csv",
        "heat-maps",
        "runs/second/report.html",
        "gap/report.html",
    ):
        assert (tmp_path / made).exists()
