"""The page on boxes and captions says what is true: its Python runs, its numbers are those of the code."""

from __future__ import annotations

import re

from kunstkammer.data.box_inspections import FEW_BOXES
from kunstkammer.pictures.augment import LEAST_VISIBLE
from tests.docs.test_tutorial import DOCS

PAGE = (DOCS / "collections.md").read_text(encoding="utf-8")


def test_its_python_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    for block in blocks:
        exec(compile(block, "collections.md", "exec"), names)
    said = capsys.readouterr().out
    assert "12 True ('balloon', 'caption', 'face', 'panel')" in said
    assert "[[10.0, 20.0, 40.0, 60.0], [12.0, 22.0, 42.0, 62.0]]" in said
    assert (tmp_path / "health.html").read_text(encoding="utf-8").count("with its boxes") == 8


def test_its_numbers_are_those_of_the_code():
    assert f"fewer than {FEW_BOXES} boxes" in PAGE
    assert f"`visible={LEAST_VISIBLE}`" in PAGE
