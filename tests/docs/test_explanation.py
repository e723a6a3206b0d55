"""The page on explanation names the methods and options that there are."""

from __future__ import annotations

import re
from pathlib import Path

from kunstkammer import registry
from kunstkammer.explanation.interface import option_names
from kunstkammer.explanation.rules.composite import COMPOSITES

PAGE = (Path(__file__).parents[2] / "docs" / "explanation.md").read_text()


def test_every_rule_method_has_its_row_with_its_options() -> None:
    rows = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = re.findall(r"`([^`]+)`", cells[4])
    ours = {
        entry.name: list(option_names(entry.thing))
        for entry in registry.entries("explainers")
        if entry.thing.__module__.startswith("kunstkammer.explanation.rules.")
    }
    assert {name: rows.get(name) for name in ours} == ours


def test_every_composite_is_named() -> None:
    assert all(f"`{name}`" in PAGE for name in COMPOSITES)
