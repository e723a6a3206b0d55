"""Layer-wise relevance propagation with one rule for all layers."""

from __future__ import annotations

from torch import Tensor

from kunstkammer.explanation.rules.engine import propagate
from kunstkammer.explanation.rules.kernel_rules import Epsilon
from kunstkammer.explanation.rules.relevance import Relevance
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register("explainers", "lrp-z", "LRP with the z rule: relevance in proportion to each contribution (Bach et al. 2015)")
def lrp_z(task: Task, *, bias: bool = True) -> Tensor:
    """Return relevance by the z rule (LRP-0), signed, (N, C, H, W).

    The logit y goes in at the top. Without biases and with ReLU alone this is gradient x input.

    Args:
        task: the batch.
        bias: whether biases keep their share of the relevance; if False it goes to the inputs.
    """
    return propagate(task, Relevance(lambda _: Epsilon(0.0, bias)))


@register("explainers", "lrp-epsilon", "LRP with the epsilon rule: as z, weak contributions damped (Bach et al. 2015)")
def lrp_epsilon(task: Task, *, epsilon: float = 1e-7, bias: bool = True) -> Tensor:
    """Return relevance by the epsilon rule, signed, (N, C, H, W).

    The logit y goes in at the top.

    Args:
        task: the batch.
        epsilon: added to each denominator with its sign, in the units of the layer's outputs; it takes up relevance.
        bias: whether biases keep their share of the relevance; if False it goes to the inputs.
    """
    return propagate(task, Relevance(lambda _: Epsilon(epsilon, bias)))
