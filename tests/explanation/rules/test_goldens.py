"""Equality with the reference implementation, iNNvestigate 1.0.9, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kunstkammer.explanation import explain

from ..reference import NETS, TRIMMED, read

MAPS: dict[str, tuple[str, dict[str, Any]]] = {
    "deconvnet": ("deconvnet", {}),
    "guided_backprop": ("guided-backprop", {}),
    "lrp.z": ("lrp-z", {}),
    "lrp.z_IB": ("lrp-z", {"bias": False}),
    "lrp.epsilon": ("lrp-epsilon", {}),
    "lrp.epsilon[epsilon=0.01]": ("lrp-epsilon", {"epsilon": 0.01}),
    "lrp.epsilon[epsilon=0.25]": ("lrp-epsilon", {"epsilon": 0.25}),
    "lrp.epsilon_IB": ("lrp-epsilon", {"bias": False}),
    "lrp.alpha_2_beta_1": ("lrp-alpha-beta", {"alpha": 2, "beta": 1}),
    "lrp.alpha_2_beta_1_IB": ("lrp-alpha-beta", {"alpha": 2, "beta": 1, "bias": False}),
    "lrp.alpha_1_beta_0": ("lrp-alpha-beta", {"alpha": 1, "beta": 0}),
    "lrp.alpha_1_beta_0_IB": ("lrp-alpha-beta", {"alpha": 1, "beta": 0, "bias": False}),
    "lrp.z_plus": ("lrp-alpha-beta", {"alpha": 1, "beta": 0, "bias": False}),
    "lrp.w_square": ("lrp-w-square", {}),
    "lrp.flat": ("lrp-flat", {}),
    "lrp.sequential_preset_a": ("lrp-composite", {"composite": "epsilon-plus"}),
    "lrp.sequential_preset_a_flat": ("lrp-composite", {"composite": "epsilon-plus-flat"}),
    "lrp.sequential_preset_b": ("lrp-composite", {"composite": "epsilon-alpha2-beta1"}),
    "deep_taylor": ("deep-taylor", {}),
    "deep_taylor.bounded[high=1][low=-1]": ("deep-taylor", {"low": -1, "high": 1}),
}
NOT_OURS = ("gradient", "input_t_gradient", "pattern.")
# Assumes that no input is negative, which these are; the rule without that assumption is lrp.z_plus.
WITHOUT = ("lrp.z_plus_fast",)


def compare(folder: Path, name: str) -> set[str]:
    """Hold every map of a file against ours; return which methods were compared."""
    model, arrays = read(folder, name)
    compared = set()
    for key in [key for key in arrays if key.startswith("map/")]:
        of, _, index = key.removeprefix("map/").partition("@idx")
        if of.startswith(NOT_OURS) or of in WITHOUT:
            continue
        method, options = MAPS[of]
        ours = explain(model, arrays["x_nchw"], int(index) if index else None, method, **options)
        error = float((ours - arrays[key]).abs().max() / arrays[key].abs().max())
        assert error < 1e-9, f"{key}: {error}"
        compared.add(of)
    return compared


@pytest.mark.parametrize("name", NETS)
def test_the_part_of_the_reference_maps_kept_here(name: str) -> None:
    model, arrays = read(TRIMMED, name)
    torch.testing.assert_close(model(arrays["x_nchw"]), arrays["logits"], rtol=1e-10, atol=1e-10)
    assert compare(TRIMMED, name) == set(MAPS)


@pytest.mark.real
@pytest.mark.parametrize("name", NETS)
def test_all_reference_maps(name: str, shared: Path) -> None:
    assert compare(shared / "goldens", name) == set(MAPS)
