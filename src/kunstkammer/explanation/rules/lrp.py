"""Layer-wise relevance propagation with one rule for all layers."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.rules.box import Bound, box_of, box_rule
from kunstkammer.explanation.rules.engine import propagate
from kunstkammer.explanation.rules.kernel_rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare
from kunstkammer.explanation.rules.relevance import EvenRelevance, Relevance
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers",
    "lrp-z",
    "LRP with the z rule: relevance in proportion to each contribution (Bach et al. 2015)",
    ExplainerFacts("lrp", shares=True),
)
def lrp_z(task: Task, *, bias: bool = True) -> Tensor:
    """Return relevance by the z rule (LRP-0), signed, (N, C, H, W).

    The logit y goes in at the top. Without biases and with ReLU alone this is gradient x input.

    Args:
        task: the batch.
        bias: whether biases keep their share of the relevance; if False it goes to the inputs.
    """
    return propagate(task, Relevance(lambda _: Epsilon(0.0, bias)))


@register(
    "explainers",
    "lrp-epsilon",
    "LRP with the epsilon rule: as z, weak contributions damped (Bach et al. 2015)",
    ExplainerFacts("lrp", shares=True),
)
def lrp_epsilon(task: Task, *, epsilon: float = 1e-7, bias: bool = True) -> Tensor:
    """Return relevance by the epsilon rule, signed, (N, C, H, W).

    The logit y goes in at the top.

    Args:
        task: the batch.
        epsilon: added to each denominator with its sign, in the units of the layer's outputs; it takes up relevance.
        bias: whether biases keep their share of the relevance; if False it goes to the inputs.
    """
    rule = Epsilon(not_negative("epsilon", epsilon), bias)
    return propagate(task, Relevance(lambda _: rule))


@register(
    "explainers",
    "lrp-gamma",
    "LRP with the gamma rule: positive contributions favoured (Montavon et al. 2019)",
    ExplainerFacts("lrp", shares=True),
)
def lrp_gamma(task: Task, *, gamma: float = 0.25) -> Tensor:
    """Return relevance by the gamma rule, signed, (N, C, H, W).

    The logit y goes in at the top. Inputs and outputs may have either sign (the generalised rule).

    Args:
        task: the batch.
        gamma: how much more contributions count that have their output's sign: 0 is the z rule, and for large ones
            only they count.
    """
    rule = Gamma(not_negative("gamma", gamma))
    return propagate(task, Relevance(lambda _: rule))


@register(
    "explainers",
    "lrp-alpha-beta",
    "LRP with the alpha-beta rule: what speaks for and against apart (Bach 2015)",
    ExplainerFacts("lrp", shares=True),
)
def lrp_alpha_beta(
    task: Task, *, alpha: float = 2.0, beta: float | None = None, bias: bool | Literal["split"] = True
) -> Tensor:
    """Return relevance by the alpha-beta rule, signed, (N, C, H, W).

    The logit y goes in at the top. With alpha 1 and beta 0 it is the z+ rule, negative inputs included.

    Args:
        task: the batch.
        alpha: weight of the positive contributions, at least 1.
        beta: weight of the negative contributions; alpha - 1, without which relevance is not conserved.
        bias: whether biases take part; then the whole of each is added to both denominators, as in the reference
            implementation (iNNvestigate 1.0.9). "split" adds the positive ones to the one and the negative ones to the
            other, which never turns a sign; biases that come from a batch norm folded in are always split.
    """
    not_negative("alpha", alpha - 1, "at least 1")
    if bias not in (True, False, "split"):
        raise ModelError(f"bias is {bias!r}; give True, False or 'split'.")
    if beta is not None and abs(alpha - beta - 1) > 1e-9:
        raise ModelError(f"alpha is {alpha} and beta {beta}; alpha - beta must be 1, else relevance is not conserved.")
    rule = AlphaBeta(alpha, alpha - 1, bias)
    return propagate(task, Relevance(lambda _: rule))


@register(
    "explainers",
    "lrp-w-square",
    "LRP with the w-square rule: by squared weights alone (Montavon et al. 2017)",
    ExplainerFacts("composites", shares=True),
)
def lrp_w_square(task: Task) -> Tensor:
    """Return relevance by the w-square rule in every layer, signed, (N, C, H, W).

    The logit y goes in at the top. It looks at the winners of max pooling, but at no other value in the network.
    """
    return propagate(task, EvenRelevance(lambda _: WSquare()))


@register(
    "explainers",
    "lrp-flat",
    "LRP with the flat rule: evenly over all inputs of a layer (Lapuschkin et al. 2019)",
    ExplainerFacts("composites", shares=True),
)
def lrp_flat(task: Task) -> Tensor:
    """Return relevance by the flat rule in every layer, signed, (N, C, H, W): how the network looks, less what it sees.

    The logit y goes in at the top. It looks at the winners of max pooling, but at no other value in the network.
    """
    return propagate(task, EvenRelevance(lambda _: Flat()))


@register(
    "explainers",
    "lrp-z-box",
    "LRP with the z-box rule for the pixels, epsilon above (Montavon et al. 2017)",
    ExplainerFacts("composites", boxes=True, shares=True),
)
def lrp_z_box(task: Task, *, low: Bound = None, high: Bound = None, epsilon: float = 1e-7) -> Tensor:
    """Return relevance by the z-box rule in the first layer and the epsilon rule above, signed, (N, C, H, W).

    The logit y goes in at the top. The first layer is each that sees the pixels before any other layer does.

    Args:
        task: the batch.
        low: the least value that a pixel can have, a number or one for each channel; each picture's own by default.
        high: the greatest one, likewise.
        epsilon: as in lrp-epsilon.
    """
    above = Epsilon(not_negative("epsilon", epsilon))
    return propagate(task, Relevance(lambda kernel: box_rule(kernel) if kernel.first else above, box_of(low, high)))


def not_negative(name: str, value: float, what: str = "0 or more") -> float:
    """Return a finite number that is not negative, or raise `ModelError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ModelError(f"{name} is out of range; give a number that is {what}.")
    return float(value)
