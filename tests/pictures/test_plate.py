"""The plate of one picture: the same bytes with torch and without it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.pictures.fixed_point import squash
from kunstkammer.pictures.plate import PlateSettings, make_plate
from kunstkammer.pictures.torch_scale import squash_by_torch
from tests.pictures.picture_files import encoded

sides = st.integers(1, 400)

KINDS = [
    {"fit": "squash"},
    {"fit": "pad"},
    {"fit": "crop"},
    {"fit": "squash", "resample": "bicubic", "centre": 0.875},
    {"fit": "crop", "resample": "lanczos", "edge": 70, "ground": 0},
    {"fit": "pad", "resample": "gaussian", "corner": True, "ground": 0},
]
"""As checkpoints of our own and from elsewhere ask for them."""

WITHOUT_TORCH = """
import json
import sys
sys.modules["torch"] = None
import numpy as np
import pyarrow
import pytest
from pathlib import Path
from kunstkammer.pictures.plate import PlateSettings, make_plate
for number, kind in enumerate(json.loads(sys.argv[3])):
    plate = make_plate(Path(sys.argv[1]), PlateSettings(96, 80, **kind), "page")
    np.save(Path(sys.argv[2]) / f"{number}.npy", plate)
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
        [sys.executable, "-c", WITHOUT_TORCH, str(page), str(tmp_path), json.dumps(KINDS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"
    for number, kind in enumerate(KINDS):
        expected = make_plate(page, PlateSettings(96, 80, **kind), "page")  # type: ignore[arg-type]
        assert np.array_equal(np.load(tmp_path / f"{number}.npy"), expected)


@example(32, 50, 3)  # shrunk by little, both passes of the quick kernel may round the same way
@given(st.integers(1, 120), st.integers(1, 120), st.integers(0, 9))
def test_plates_are_within_a_level_of_those_of_image_processors(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    expected = np.asarray(image.resize((40, 30), Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(int)
    plate = make_plate(encoded(image, "png"), PlateSettings(30, 40), "noise").astype(int)
    assert abs(plate - expected).max() <= 1


def hard_page(side: int) -> Image.Image:
    """Coloured screen tone, finest at the left, and noise at the right: where decoding at a half shows most."""
    y, x = np.mgrid[:side, :side]
    angle = np.pi / 4
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.cos(2 * np.pi * along / 3.3) + np.cos(2 * np.pi * across / 3.3)
    paper = waves > np.linspace(-1.6, 1.6, side)
    pixels = np.where(paper[..., None], 255, np.array([200, 30, 120])).astype(np.uint8)
    pixels[:, -side // 4 :] = np.random.default_rng(0).integers(0, 256, (side, side // 4, 3))
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("quality", "subsampling"), [(75, "4:2:0"), (95, "4:4:4")])
def test_large_jpegs_are_decoded_in_full(quality: int, subsampling: str) -> None:
    data = encoded(hard_page(3000), "jpeg", quality=quality, subsampling=subsampling)
    for mode in ("RGB", "L"):
        whole = Image.open(io.BytesIO(data))
        whole.draft(mode, None)  # only chooses the mode
        assert whole.size == (3000, 3000)
        for side in (96, 224):
            expected = np.asarray(whole.resize((side, side), Image.Resampling.BILINEAR)).astype(int)
            plate = make_plate(data, PlateSettings(side, side, grey=mode == "L"), "page").astype(int)
            difference = np.abs(plate - np.atleast_3d(expected).transpose(2, 0, 1))
            assert difference.max() <= 1


@pytest.mark.parametrize("size", [(2100, 1300), (1, 2_500_000)])
@pytest.mark.parametrize("arrow", [pyarrow, None])
def test_bands_of_a_large_picture_give_what_the_whole_gives(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], arrow: Any
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    image = Image.effect_noise(size, 90).convert("RGB")
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    for wanted in ((64, 48), (2, 2), (image.height, 7)):
        expected = torch.nn.functional.interpolate(pixels, size=wanted, mode="bilinear", antialias=True)[0].numpy()
        assert np.array_equal(squash_by_torch(image, wanted), expected)
