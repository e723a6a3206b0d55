"""Occlusion and the windows it uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain
from kunstkammer.explanation.windows import windows_over

from .networks import build, square_detector, squares, vgg


@given(height=st.integers(1, 70), width=st.integers(1, 70), data=st.data())
def test_windows_cover_every_pixel_and_stay_inside(height: int, width: int, data: st.DataObject) -> None:
    side = data.draw(st.integers(1, min(height, width)))
    stride = data.draw(st.integers(1, side))
    windows = windows_over((height, width), side, stride)
    ones = windows.spread(torch.ones(len(windows.places), 2))
    assert ones.shape == (2, 1, height, width)
    assert (ones == 1).all()
    assert all(0 <= t <= height - side and 0 <= left <= width - side for t, left in windows.places)
    assert len(set(windows.places)) == len(windows.places)


def test_by_default_an_eighth() -> None:
    windows = windows_over((224, 224))
    assert (windows.side, len(windows.tops)) == (28, 15)
    assert windows_over((3, 200)).side == 3


@pytest.mark.parametrize(("window", "stride"), [(0, None), (65, None), (8, 9), (8, 0)])
def test_what_does_not_fit_is_refused(window: int, stride: int | None) -> None:
    with pytest.raises(ModelError, match=r"does not fit into pictures of 40 x 64|leaves gaps between windows of 8"):
        explain(square_detector(), torch.zeros(1, 1, 40, 64), 1, "occlusion", window=window, stride=stride)


def test_the_square_is_found() -> None:
    pixels = squares([(8, 40), (40, 12)])
    relevance = explain(square_detector(), pixels, 1, "occlusion", window=8, value="zero")
    for one, (top, left) in zip(relevance[:, 0], [(8, 40), (40, 12)], strict=True):
        inside = one[top - 8 : top + 20, left - 8 : left + 20].sum()
        assert inside >= 0.99 * one.sum() > 0
        assert divmod(int(one.argmax()), 64)[0] in range(top, top + 12)


def test_against_captum() -> None:
    attr = pytest.importorskip("captum.attr", reason="Captum, the oracle of this test, is not installed")
    torch.manual_seed(0)
    model = vgg().double().eval()
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    # Strides that divide: Captum's last window is cut off at the edge, ours is moved back.
    expected = attr.Occlusion(model).attribute(pixels, (3, 16, 16), (3, 8, 8), target=1, baselines=0)
    found = explain(model, pixels, 1, "occlusion", window=16, stride=8, value="zero")
    # Captum adds its weights up in 32 bits.
    torch.testing.assert_close(found.expand(-1, 3, -1, -1), expected.double(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["mobilenet-v2", "vit", "swin"])
def test_memory_is_bounded_by_the_batch(name: str) -> None:
    model, pixels = build(name)
    rows: list[int] = []
    handle = model.register_forward_pre_hook(
        lambda _m, _a, named: rows.append(len(named["pixel_values"])), with_kwargs=True
    )
    whole = explain(model, pixels, 1, "occlusion", window=24, stride=20, batch_size=64)
    rows.clear()
    few = explain(model, pixels, 1, "occlusion", window=24, stride=20, batch_size=3)
    handle.remove()
    torch.testing.assert_close(few, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max()))
    assert max(rows) <= 3


@pytest.mark.parametrize("value", ["mean", "blur", "zero", "uniform"])
def test_what_covers_nothing_gets_nothing(value: str) -> None:
    # Where cover and picture are alike nothing falls; the blur of a flat ground is the ground.
    flat: Tensor = torch.zeros(1, 3, 64, 64)
    torch.manual_seed(0)
    assert float(explain(vgg().eval(), flat, 1, "occlusion", value=value).abs().max()) < 1e-6


@given(height=st.integers(3, 30), width=st.integers(3, 30), side=st.integers(1, 3), seed=st.integers(0, 99))
def test_arrays_and_tensors_are_spread_alike(height, width, side, seed):
    windows = windows_over((height, width), side, 1)
    values = np.random.default_rng(seed).normal(size=(len(windows.where), 2))
    found = windows.mean(values)
    assert found.shape == (2, height, width)
    np.testing.assert_allclose(found, windows.spread(torch.from_numpy(values))[:, 0].numpy())
