"""Small collections of noise that can be learnt: bright pictures against dark ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_collection(folder: Path, *, labels=("dark", "light"), each=12, size=48, seed=0) -> Path:
    """Write class folders of noise whose mean depends on the class."""
    random = np.random.default_rng(seed)
    for k, label in enumerate(labels):
        (folder / label).mkdir(parents=True)
        mean = 60 + 130 * k / max(len(labels) - 1, 1)
        for i in range(each):
            pixels = np.clip(random.normal(mean, 40, (size, size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i:03}.png")
    return folder


@pytest.fixture
def collection_folder(tmp_path) -> Path:
    return write_collection(tmp_path / "noise")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KUNSTKAMMER_CACHE", str(tmp_path / "cache"))
