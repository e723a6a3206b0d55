"""The page about drawn faces says of the action units what the code does."""

from pathlib import Path

from kunstkammer.data.drawn.faces.action_units import ACTION_UNITS, PROTOTYPES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faces.md"


def test_the_table_of_action_units_is_that_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    for emotion, prototype in PROTOTYPES.items():
        always = ", ".join(f"{unit} {ACTION_UNITS[unit]}" for unit in prototype.always) or "none"
        often = ", ".join(f"{unit} {ACTION_UNITS[unit]} ({share:g})" for unit, share in prototype.often.items())
        side = " (one side)" if prototype.one_sided else ""
        assert f"| {emotion} | {always}{side} | {often or 'none'} |" in text


def test_its_picture_is_there_and_small():
    assert 50_000 < (PAGE.parent / "images" / "faces.jpg").stat().st_size < 400_000
