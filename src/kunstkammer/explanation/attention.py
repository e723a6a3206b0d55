"""Attention rollout: where the tokens that a vision transformer answers from have looked, through all its layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.centres import lay_over
from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.layers import Place, find_place, watched
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register

HEADS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda attention: attention.mean(dim=1),
    "max": lambda attention: attention.amax(dim=1),
    "min": lambda attention: attention.amin(dim=1),
}

PICTURES_AT_ONCE = 4
"""With gradients every layer's attention is held until the backward pass: so many pictures at a time."""


@register(
    "explainers",
    "attention-rollout",
    "Attention of all layers multiplied, half of each its residual path (Abnar and Zuidema 2020, section 3)",
    ExplainerFacts("attention"),
)
def attention_rollout(task: Task, *, heads: str = "mean", upsample: bool = True) -> Tensor:
    """Return how much of each place reaches the tokens that the answer is read from, (N, 1, H, W), never negative.

    In each layer A' = A / 2 + I / 2, where A is the attention over the heads with rows that add up to 1; the product
    of all layers says how the last tokens are made of the first ones. Their rows are weighted by the size of the
    logit's gradient by them: the class token alone where only that is read, which is the paper's case. Apart from that
    the map is the same for every class.

    Args:
        task: the batch.
        heads: "mean" as in the paper, or "max" or "min" over the heads.
        upsample: to the size of the pixels; if False, (N, 1, h, w) over the tokens.

    Raises `ModelError` for a network without attention between all tokens (Swin attends within windows).
    """
    if heads not in HEADS:
        raise unknown_name("way to join heads", heads, HEADS)
    tokens = task.once("tokens", lambda: _find_tokens(task))
    rolled: list[Tensor] = []

    def see(attention: Tensor) -> None:
        joined = HEADS[heads](attention.detach())
        joined = joined / joined.sum(dim=-1, keepdim=True)
        step = (joined + torch.eye(joined.shape[-1]).to(joined)) / 2
        rolled[:] = [step @ rolled[0] if rolled else step]

    with Attentions(see):
        read = _read_from(task, tokens)
    return _as_map(task, tokens, torch.einsum("nt,nts->ns", read, rolled[0]), upsample)


@register(
    "explainers",
    "attention-gradient",
    "Attention of all layers, weighted by its gradient where that is positive (Chefer et al. 2021, section 3)",
    ExplainerFacts("attention", usual=True),
)
def attention_gradient(task: Task, *, upsample: bool = True) -> Tensor:
    """Return the attention that raises the logit, rolled out over the layers, (N, 1, H, W), never negative.

    R starts as the identity; in each layer R += mean over heads of max(0, dy/dA * A) @ R (equations 5 and 6). Unlike
    `attention_rollout` it differs from class to class. Options and errors as there.
    """
    tokens = task.once("tokens", lambda: _find_tokens(task))
    maps = []
    for start in range(0, len(task.pixels), PICTURES_AT_ONCE):
        part = task.part(slice(start, start + PICTURES_AT_ONCE))
        seen: list[Tensor] = []
        with Attentions(seen.append):
            score = part.score(part.pixels)
        gradients = torch.autograd.grad(score.sum(), seen)
        same = torch.eye(tokens.count).to(part.pixels)
        relevance = same.expand(len(part.pixels), -1, -1)
        for attention, gradient in zip(seen, gradients, strict=True):
            relevance = relevance + (gradient * attention.detach()).relu().mean(dim=1) @ relevance
        read = _read_from(part, tokens)
        maps.append(_as_map(part, tokens, torch.einsum("nt,nts->ns", read, relevance - same), upsample))
    return torch.cat(maps)


class Attentions(TorchFunctionMode):
    """While it is on, `see` is called with the weights (N, heads, T, T) of each attention, in order, with their graph.

    Sees `scaled_dot_product_attention`, which it computes by hand, and a softmax over the last of four axes, the last
    two of them equal. Values stay as they are up to rounding.
    """

    def __init__(self, see: Callable[[Tensor], None]) -> None:
        super().__init__()
        self._see = see

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in {F.softmax, torch.softmax, Tensor.softmax} and result.ndim == 4:
            axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if axis in {-1, 3} and result.shape[2] == result.shape[3]:
                return self._shown(result)
        return result

    def _shown(self, weights: Tensor) -> Tensor:
        if not weights.requires_grad and torch.is_grad_enabled():
            weights = weights.detach().requires_grad_()
        self._see(weights)
        return weights

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(groups, dim=-3), value.repeat_interleave(groups, dim=-3)
        products = query @ key.mT * (scale or 1 / math.sqrt(query.shape[-1]))
        if is_causal:
            later = torch.ones(products.shape[-2:], dtype=torch.bool, device=products.device).triu(1)
            products = products.masked_fill(later, -torch.inf)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            products = products.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            products = products + attn_mask
        return self._shown(products.softmax(dim=-1)) @ value


@dataclass(frozen=True)
class _Tokens:
    """How many tokens attend to each other, how they lie over the picture, and the last module that gives them."""

    count: int
    place: Place
    last: tuple[str, int]


def _find_tokens(task: Task) -> _Tokens:
    """Run the first picture; raise `ModelError` unless all tokens attend to all in every layer."""
    model, first = task.model, task.pixels[:1]
    shapes: list[tuple[int, ...]] = []
    outputs: list[tuple[str, int, tuple[int, ...]]] = []

    def see(name: str, call: int, output: Tensor) -> None:
        outputs.append((name, call, tuple(output.shape)))

    with torch.no_grad(), watched(model, see), Attentions(lambda weights: shapes.append(tuple(weights.shape))):
        task.logits(first)
    if not shapes:
        raise ModelError(
            f"{type(model).__name__} has no attention between tokens, so there is none to follow; this method is for "
            "vision transformers such as ViT and DeiT. Choose another, such as grad-cam."
        )
    if len({shape[-1] for shape in shapes}) > 1 or {len(shape) for shape in shapes} != {4} or shapes[0][0] != 1:
        raise ModelError(
            f"{type(model).__name__} attends within windows or between changing numbers of tokens "
            f"({', '.join(dict.fromkeys(str(shape[-1]) for shape in shapes))} at once), not from all to all; attention "
            "cannot be multiplied through its layers. Choose another method, such as grad-cam."
        )
    count = shapes[0][-1]
    place = find_place(model, task.pixels)
    tokens = [(name, call) for name, call, shape in outputs if len(shape) == 3 and shape[:2] == (1, count)]
    if place.prefix is None or place.prefix + math.prod(place.grid) != count or not tokens:
        raise ModelError(
            f"The {count} tokens of {type(model).__name__} do not lie on a grid over the picture; "
            "choose another method."
        )
    return _Tokens(count, place, tokens[-1])


def _read_from(task: Task, tokens: _Tokens) -> Tensor:
    """Return by how much the score is read from each last token, (N, T); rows add up to 1."""
    leaf: list[Tensor] = []

    def cut(name: str, call: int, output: Tensor) -> Tensor | None:
        if (name, call) != tokens.last:
            return None
        leaf.append(output.detach().requires_grad_())
        return leaf[0].clone()

    with watched(task.model, cut):
        score = task.score(task.pixels)
    (gradient,) = torch.autograd.grad(score.sum(), leaf)
    size = gradient.norm(dim=2)
    return size / size.sum(dim=1, keepdim=True).clamp(min=torch.finfo(size.dtype).tiny)


def _as_map(task: Task, tokens: _Tokens, values: Tensor, upsample: bool) -> Tensor:
    """Return (N, 1, H, W) for one number a token, (N, T)."""
    relevance = tokens.place.to_map(values.unsqueeze(2))
    size = (task.pixels.shape[2], task.pixels.shape[3])
    return lay_over(relevance, size, tokens.place.centres) if upsample else relevance
