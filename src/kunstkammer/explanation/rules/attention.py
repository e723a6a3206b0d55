"""Layer-wise relevance propagation for transformers, attention weights held fixed."""

from __future__ import annotations

from torch import Tensor

from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.rules.engine import propagate
from kunstkammer.explanation.rules.kernel_rules import Epsilon, Gamma
from kunstkammer.explanation.rules.lrp import not_negative
from kunstkammer.explanation.rules.relevance import KernelRule, Relevance
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers",
    "attention-lrp",
    "LRP for transformers, attention weights and deviations held fixed (Ali et al. 2022)",
    ExplainerFacts("attention", shares=True, twin="lrp-epsilon"),
)
def attention_lrp(task: Task, *, epsilon: float = 1e-7, gamma: float = 0.0) -> Tensor:
    """Return relevance in a transformer, signed, (N, C, H, W): whole, from the logit y down to the pixels.

    The rules of Ali et al. 2022, section 4 (Conservative propagation): attention weights count as constants, so that
    relevance goes through the values that they weigh; of a layer norm the deviation does; linear layers, residual joins
    and the patch embedding share in proportion (epsilon rule), GELU passes relevance on. Position embeddings, the class
    token and biases keep their share. That is the same as gradient x input in the network so held fixed. AttnLRP, which
    takes relevance through the softmax as well, is said to be patented and is not what is done here.

    A network without attention is explained as by lrp-epsilon.

    Args:
        task: the batch.
        epsilon: as in lrp-epsilon.
        gamma: the gamma rule in linear layers and convolutions where this is not 0; less noise, less exact.
    """
    epsilon, gamma = not_negative("epsilon", epsilon), not_negative("gamma", gamma)
    rule: KernelRule = Gamma(gamma, epsilon) if gamma else Epsilon(epsilon)
    return propagate(task, Relevance(lambda _: rule))
