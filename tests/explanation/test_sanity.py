"""Sanity checks: a method that looks at the model changes with it, one that does not is found out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain
from kunstkammer.explanation.sanity import cascade, energy_inside, likeness, points_inside, randomisation
from kunstkammer.pictures.detections import Detections

from .networks import build, square_detector, squares, vgg


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_the_cascade_goes_from_the_output_down_and_leaves_the_model_alone() -> None:
    torch.manual_seed(0)
    model = vgg()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = []
    for name, other in cascade(model):
        changed.append(name)
        for key, value in other.state_dict().items():
            assert torch.equal(value, before[key]) == (not key.startswith(tuple(f"{c}." for c in changed)))
    assert changed == ["1.1", "0.6", "0.3", "0.0"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    first, second, other = (next(cascade(model, seed))[1].state_dict()["1.1.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_method_that_ignores_the_model_is_found_out(pixels: Tensor) -> None:
    torch.manual_seed(0)
    model = vgg().eval()
    edges = randomisation(model, lambda _: pixels.diff(dim=3, append=pixels[..., -1:]))
    assert all((alike > 0.999).all() for _, alike in edges)
    gradient = randomisation(model, lambda m: explain(m, pixels, 1, "gradient"))
    assert len(gradient) == 4
    assert (np.abs(gradient[-1][1]) < 0.3).all()


def test_class_sensitivity_by_likeness() -> None:
    model, pixels = build("resnet-basic")
    one, other = (explain(model, pixels, k, "gradient") for k in (0, 1))
    assert (likeness(one, one) > 0.999).all()
    assert (likeness(one, other) < 0.95).all()
    assert likeness(one, torch.ones_like(one)).tolist() == [0, 0]


def test_the_square_is_pointed_at() -> None:
    pixels = squares([(8, 40), (40, 12)])
    maps = explain(square_detector(), pixels, 1, "occlusion", window=4, stride=2, value="zero")
    right = [Detections([(40, 8, 52, 20)]), Detections([(12, 40, 24, 52)])]
    wrong = [Detections([(0, 40, 20, 60)]), Detections([(30, 0, 60, 20), (40, 40, 60, 60)])]
    assert points_inside(maps, right).tolist() == [True, True]
    assert points_inside(maps, wrong).tolist() == [False, False]
    assert (energy_inside(maps, right) > 0.8).all()
    assert (energy_inside(maps, wrong) < 0.2).all()
    assert points_inside(-maps.abs(), right).tolist() == [False, False]
    assert np.isnan(energy_inside(-maps.abs(), right)).all()


def test_what_is_wrong_is_said(pixels: Tensor) -> None:
    with pytest.raises(ModelError, match="Boxes of 2 pictures"):
        points_inside(pixels, [Detections()] * 2)
    with pytest.raises(ModelError, match=r"The box \(5\.0, 5\.0, 5\.0, 9\.0\) has no area"):
        energy_inside(pixels[:1], [Detections([(5, 5, 5, 9)])])
    with pytest.raises(ModelError, match="cannot be compared"):
        likeness(pixels, pixels[:1])


def test_signed_likeness_tells_a_map_from_its_negative() -> None:
    one = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert likeness(one, -one).tolist() == pytest.approx([1, 1])
    assert likeness(one, -one, signed=True).tolist() == pytest.approx([-1, -1])
    assert likeness(one, 0 * one).tolist() == [0, 0]
    assert np.isnan(likeness(one, 0 * one, flat=np.nan)).all()


def test_fewer_looks_at_the_cascade_keep_its_ends(pixels: Tensor) -> None:
    torch.manual_seed(0)
    model = vgg().eval()
    every = randomisation(model, lambda m: explain(m, pixels, 0, "gradient"))
    some = randomisation(model, lambda m: explain(m, pixels, 0, "gradient"), most=2)
    assert [name for name, _ in some] == [every[0][0], every[-1][0]]
    assert np.array_equal(some[-1][1], every[-1][1])
