"""The gradient and gradient x input: equal to the reference implementation, iNNvestigate 1.0.9, in float64."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kunstkammer.explanation import explain

from .reference import NETS, TRIMMED, read

MAPS = {"gradient": "gradient", "gradient@idx2": "gradient", "input_t_gradient": "gradient-x-input"}


def compare(folder: Path, name: str) -> None:
    model, arrays = read(folder, name)
    for key, method in MAPS.items():
        expected = arrays[f"map/{key}"]
        ours = explain(model, arrays["x_nchw"], 2 if key.endswith("@idx2") else None, method)
        assert ours.shape == expected.shape
        error = float((ours - expected).abs().max() / expected.abs().max())
        assert error < 1e-9, f"{key}: {error}"


@pytest.mark.parametrize("name", NETS)
def test_the_part_of_the_reference_maps_kept_here(name: str) -> None:
    compare(TRIMMED, name)


@pytest.mark.real
@pytest.mark.parametrize("name", NETS)
def test_all_reference_maps(name: str, shared: Path) -> None:
    compare(shared / "goldens", name)


def test_of_a_linear_model_gradient_x_input_adds_up_to_the_logit_less_its_bias() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3))
    pixels = torch.randn(4, 3, 4, 4)
    found = explain(model, pixels, 1, "gradient-x-input").sum((1, 2, 3))
    torch.testing.assert_close(found, (model(pixels) - model[1].bias)[:, 1].detach())
