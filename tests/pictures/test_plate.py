"""The plate of one picture: the same bytes with torch and without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.pictures.fixed_point import squash
from kunstkammer.pictures.plate import PlateSettings, make_plate
from tests.pictures.picture_files import encoded

sides = st.integers(1, 400)

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import numpy as np
from pathlib import Path
from kunstkammer.pictures.plate import PlateSettings, make_plate
for fit in ("squash", "pad", "crop"):
    plate = make_plate(Path(sys.argv[1]), PlateSettings(96, 80, fit=fit), "page")
    np.save(Path(sys.argv[2]) / f"{fit}.npy", plate)
heavy = {"torch", "transformers", "datasets", "kornia", "sklearn", "scipy", "matplotlib"}
print(sorted(name for name in heavy if sys.modules.get(name)))
"""


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(1, 250), st.integers(1, 250), st.integers(0, 2**31))
def test_whole_numbers_give_what_torch_gives(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(2, 0, 1)[None], size=(rows, columns), mode="bilinear", antialias=True
    )[0].numpy()
    assert np.array_equal(squash(pixels, (rows, columns)), expected)


def test_a_process_without_torch_makes_the_same_plates(tmp_path: Path) -> None:
    page = tmp_path / "page.jpg"
    page.write_bytes(encoded(Image.effect_noise((701, 903), 90).convert("RGB"), "jpeg", quality=80))
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(page), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"
    for fit in ("squash", "pad", "crop"):
        expected = make_plate(page, PlateSettings(96, 80, fit=fit), "page")  # type: ignore[arg-type]
        assert np.array_equal(np.load(tmp_path / f"{fit}.npy"), expected)
