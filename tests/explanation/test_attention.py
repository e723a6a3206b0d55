"""Attention rollout and gradient-weighted attention: by hand, and refused where attention is not from all to all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import explain
from kunstkammer.explanation.attention import Attentions

from .networks import build, vgg

METHODS = ["attention-rollout", "attention-gradient"]


def attentions(model: nn.Module, pixels: Tensor) -> list[Tensor]:
    """The weights as the library itself gives them, (N, heads, T, T) a layer, with their graph."""
    model.set_attn_implementation("eager")
    try:
        return list(model(pixels, output_attentions=True).attentions)
    finally:
        model.set_attn_implementation("sdpa")


@pytest.mark.parametrize(("name", "prefix"), [("vit", 1), ("deit", 2)])
def test_rollout_by_hand(name: str, prefix: int) -> None:
    model, pixels = build(name)
    with torch.no_grad():
        product = torch.eye(64 + prefix)
        for weights in attentions(model, pixels):
            step = 0.5 * weights.mean(dim=1) + 0.5 * torch.eye(64 + prefix)
            product = step @ product
    found = explain(model, pixels, 2, "attention-rollout", upsample=False)
    assert found.shape == (2, 1, 8, 8)
    if name == "vit":  # answered from the class token alone
        torch.testing.assert_close(found.flatten(1), product[:, 0, prefix:], rtol=1e-4, atol=1e-6)
    else:  # from two tokens: between their rows
        low, high = product[:, :2, prefix:].amin(dim=1), product[:, :2, prefix:].amax(dim=1)
        assert ((found.flatten(1) >= low - 1e-6) & (found.flatten(1) <= high + 1e-6)).all()


def test_gradient_weighted_attention_by_hand() -> None:
    model, pixels = build("vit")
    model.set_attn_implementation("eager")
    output = model(pixels, output_attentions=True)
    gradients = torch.autograd.grad(output.logits[:, 3].sum(), output.attentions)
    model.set_attn_implementation("sdpa")
    relevance = torch.eye(65).expand(2, -1, -1)
    for weights, gradient in zip(output.attentions, gradients, strict=True):
        relevance = relevance + (weights.detach() * gradient).relu().mean(dim=1) @ relevance
    found = explain(model, pixels, 3, "attention-gradient", upsample=False)
    torch.testing.assert_close(found.flatten(1), relevance[:, 0, 1:], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["vit", "deit", "dinov2-with-registers"])
class TestBoth:
    def test_maps_of_the_picture_for_both_ways_to_attend(self, name: str, method: str) -> None:
        model, pixels = build(name)
        before = [hook for m in model.modules() for hook in m._forward_hooks]
        found = explain(model, pixels, 2, method)
        assert found.shape == (2, 1, 64, 64)
        assert found.isfinite().all()
        assert (found >= 0).all()
        assert (found.amax(dim=(1, 2, 3)) > found.amin(dim=(1, 2, 3))).all()
        assert [hook for m in model.modules() for hook in m._forward_hooks] == before
        model.set_attn_implementation("eager")
        torch.testing.assert_close(explain(model, pixels, 2, method), found, rtol=1e-3, atol=1e-5)
        model.set_attn_implementation("sdpa")

    def test_a_picture_does_not_depend_on_its_batch(self, name: str, method: str) -> None:
        model, pixels = build(name)
        pixels = torch.cat([pixels, -pixels, pixels * 2])
        whole = explain(model, pixels, [0, 1, 2, 3, 4, 0], method)
        assert torch.allclose(explain(model, pixels[3:4], 3, method)[0], whole[3], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(
            explain(model, pixels, [0, 1, 2, 3, 4, 0], method, batch_size=2), whole, rtol=1e-3, atol=1e-5
        )


def test_one_class_rather_than_another() -> None:
    model, pixels = build("vit")
    one, other = (explain(model, pixels, 2, "attention-gradient", versus=v) for v in (None, 1))
    assert not torch.allclose(one, other)


def test_watching_changes_nothing() -> None:
    model, pixels = build("vit")
    with torch.no_grad():
        plain = model(pixels).logits
        with Attentions(lambda _: None):
            torch.testing.assert_close(model(pixels).logits, plain, rtol=1e-4, atol=1e-5)


def test_attention_with_masks_is_that_of_the_library() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 4, 5, 8, generator=generator) for _ in range(3))
    attend = nn.functional.scaled_dot_product_attention
    bias, keep = torch.randn(5, 5, generator=generator), torch.ones(5, 5, dtype=torch.bool).tril()
    for more in ({}, {"attn_mask": bias}, {"attn_mask": keep}, {"is_causal": True}, {"scale": 0.1}):
        expected = attend(q, k, v, **more)
        with Attentions(lambda _: None):
            torch.testing.assert_close(attend(q, k, v, **more), expected)
    expected = attend(q, k[:, :2], v[:, :2], enable_gqa=True)
    with Attentions(lambda _: None):
        torch.testing.assert_close(attend(q, k[:, :2], v[:, :2], enable_gqa=True), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["swin", "swin-v2"])
def test_attention_within_windows_is_refused_by_name(name: str, method: str) -> None:
    model, pixels = build(name)
    with pytest.raises(ModelError, match=r"Swin\w+ attends within windows"):
        explain(model, pixels, 2, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_attention_is_refused(method: str) -> None:
    with pytest.raises(ModelError, match="Sequential has no attention"):
        explain(vgg(), torch.zeros(1, 3, 64, 64), 1, method)


def test_an_unknown_way_to_join_heads() -> None:
    model, pixels = build("vit")
    with pytest.raises(UnknownNameError, match="Did you mean 'mean'"):
        explain(model, pixels, 2, "attention-rollout", heads="meen")
