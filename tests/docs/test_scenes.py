"""The page on scenes says what is true: its example table is read as it says, its commands parse, its names exist."""

import re
import shlex

from kunstkammer.data.readers import read
from kunstkammer.registry import names
from kunstkammer.training.recipe import Recipe
from tests.cli.command import run
from tests.conftest import write_collection
from tests.docs.test_tutorial import DOCS

PAGE = (DOCS / "scenes.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_example_table_is_read_as_the_page_says(tmp_path):
    table = next(block for block in FENCED if block.startswith("file_name"))
    names_of = [line.split(",")[0] for line in table.splitlines()[1:]]
    write_collection(tmp_path / "noise", each=1)
    for name, source in zip(names_of, sorted((tmp_path / "noise").rglob("*.png")), strict=True):
        source.rename(tmp_path / name)
    (tmp_path / "scenes.csv").write_text(table, encoding="utf-8")
    found = read(tmp_path / "scenes.csv")
    assert found.multi_label
    assert found.labels == [["angry"], ["fear", "happy"]]
    assert found.column("dialog") == ["Who is there?!", "You! At last!"]
    assert any("angry, fear, happy" in note for note in found.notes)


def test_every_command_and_setting_of_the_page_exists():
    lines = [line for block in FENCED for line in block.splitlines() if line.startswith("kunstkammer ")]
    assert len(lines) >= 2
    for line in lines:
        _, verb, *words = shlex.split(line)
        known = run(verb, "--help").stdout
        assert all(word in known for word in words if word.startswith("--")), line
    for key, value in re.findall(r"--set ([\w.]+)=(\w+)", PAGE):
        Recipe.load("comic-emotion", {key: value})
    assert set(names("texts")) <= set(re.findall(r"`(\w+)`", PAGE))
