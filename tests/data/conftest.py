"""What the tests of this room share: small pictures on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Paint = Callable[..., Path]


@pytest.fixture
def paint() -> Paint:
    """Return a function that paints a picture of its own (by `seed`) at a path, whatever folders it takes."""

    def make(path: Path, seed: int = 0, size: tuple[int, int] = (48, 48)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(path)
        return path

    return make
