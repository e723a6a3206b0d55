"""What docs/cartoonify.md says can be written in a recipe, can be; its picture is there and small."""

from __future__ import annotations

import re
from pathlib import Path

import torch
import yaml
from PIL import Image

import kunstkammer
from kunstkammer import registry

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "cartoonify.md").read_text(encoding="utf-8")


def test_its_recipes_load():
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        recipe = kunstkammer.Recipe.load({"name": "page", **yaml.safe_load(block)})
        assert recipe.augmentation or recipe.picture.preparation


def test_its_python_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {"pixels": torch.zeros(1, 3, 20, 20, dtype=torch.uint8)}
    exec(compile(code, "cartoonify.md", "exec"), names)
    assert isinstance(names["drawn"], torch.Tensor)


def test_every_preset_and_setting_is_named():
    for entry in registry.entries("cartoons"):
        assert f"**{entry.name}**" in PAGE
        for name in entry.thing.model_fields:
            assert f"`{name}`" in PAGE


def test_the_picture_is_there_and_small():
    file = DOCS / "images" / "cartoons.jpg"
    assert file.stat().st_size < 400_000
    with Image.open(file) as sheet:
        assert sheet.width > 1000
