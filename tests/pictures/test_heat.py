"""Heat maps as a layer: the colours of the figures, as opaque as they are strong."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from kunstkammer.pictures.heat import heat_layer
from kunstkammer.pictures.overlay import heat_image


def ramp(low, high):
    return np.tile(np.linspace(low, high, 300), (200, 1))


@pytest.mark.parametrize(("heat", "signed"), [(ramp(0, 1), False), (ramp(-3, 3), True)])
def test_it_has_the_colours_of_the_figures_and_its_strength_is_its_opacity(heat, signed):
    layer = heat_layer(heat, (200, 300), signed=signed)
    expected = np.asarray(heat_image(heat, (200, 300), signed=signed)).astype(int)
    file = BytesIO()
    layer.save(file, "PNG")
    found = np.asarray(Image.open(file).convert("RGBA")).astype(int)
    assert np.abs(found[..., :3] - expected).max() <= 6
    assert np.abs(found[..., :3] - expected).mean() < 1
    strength = np.abs(np.clip(heat / np.percentile(np.abs(heat), 99), -1, 1))
    assert np.abs(found[..., 3] / 255 - strength).max() < 0.02


def test_a_map_that_says_nothing_shows_nothing():
    for signed in (False, True):
        layer = heat_layer(np.zeros((4, 4)), (10, 20), signed=signed).convert("RGBA")
        assert layer.size == (20, 10)
        assert layer.getextrema()[3] == (0, 0)


def test_it_needs_neither_torch_nor_matplotlib():
    script = (
        "import sys, kunstkammer.web.inference.heat;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
