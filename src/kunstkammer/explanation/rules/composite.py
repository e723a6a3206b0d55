"""Layer-wise relevance propagation with a rule for each kind and depth of layer: composites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from kunstkammer.errors import unknown_name
from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.rules.box import Bound, box_of, box_rule
from kunstkammer.explanation.rules.engine import count_kernels, propagate
from kunstkammer.explanation.rules.kernel import Kernel
from kunstkammer.explanation.rules.kernel_rules import AlphaBeta, Epsilon, Flat, Gamma
from kunstkammer.explanation.rules.lrp import not_negative
from kunstkammer.explanation.rules.relevance import KernelRule, Relevance
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@dataclass(frozen=True)
class Composite:
    """Which rule where.

    Attributes:
        convolution: gamma -> the rule of the convolutions; linear layers have epsilon.
        first: "flat" or "box" for the first layer, None for the rule that it has as any other.
        by_depth: the kind does not count, but the depth: z in the upper third of the layers, epsilon in the middle one,
            the rule of the convolutions in the lower one.
    """

    convolution: Callable[[float], KernelRule]
    first: str | None = None
    by_depth: bool = False


COMPOSITES = {
    "epsilon-plus": Composite(lambda _: AlphaBeta(1.0, 0.0)),
    "epsilon-plus-flat": Composite(lambda _: AlphaBeta(1.0, 0.0), "flat"),
    "epsilon-alpha2-beta1": Composite(lambda _: AlphaBeta(2.0, 1.0)),
    "epsilon-alpha2-beta1-flat": Composite(lambda _: AlphaBeta(2.0, 1.0), "flat"),
    "epsilon-gamma": Composite(Gamma),
    "epsilon-gamma-box": Composite(Gamma, "box"),
    "zero-epsilon-gamma-box": Composite(Gamma, "box", by_depth=True),
}


@register(
    "explainers",
    "lrp-composite",
    "LRP with a rule for each kind of layer (Kohlbrenner et al. 2020; Montavon et al. 2019)",
    ExplainerFacts("composites", shares=True, usual=True),
)
def lrp_composite(
    task: Task,
    *,
    composite: str = "epsilon-plus-flat",
    epsilon: float = 0.1,
    gamma: float = 0.25,
    low: Bound = None,
    high: Bound = None,
) -> Tensor:
    """Return relevance by a composite of rules, signed, (N, C, H, W).

    The logit y goes in at the top. Linear layers, which are the upper ones of a convolutional network, have the epsilon
    rule; convolutions as named: "plus" alpha 1 beta 0, "alpha2-beta1", "gamma"; the first layer "flat" or "box" where
    the name ends so (Kohlbrenner et al. 2020, section 3.1). "zero-epsilon-gamma-box" goes by depth: the z rule in the
    upper third of the layers, epsilon in the middle, gamma in the lower third (Montavon et al. 2019, section 10.3).

    Args:
        task: the batch.
        composite: "epsilon-plus", "epsilon-plus-flat", "epsilon-alpha2-beta1", "epsilon-alpha2-beta1-flat",
            "epsilon-gamma", "epsilon-gamma-box" or "zero-epsilon-gamma-box".
        epsilon: of the epsilon rule (0.1 in the reference implementation, iNNvestigate 1.0.9).
        gamma: of the gamma rule.
        low: for "box", the least value that a pixel can have; each picture's own by default.
        high: the greatest one, likewise.
    """
    if composite not in COMPOSITES:
        raise unknown_name("composite", str(composite), COMPOSITES)
    chosen = COMPOSITES[composite]
    dense = Epsilon(not_negative("epsilon", epsilon))
    convolution = chosen.convolution(not_negative("gamma", gamma))

    layers = task.once("rules: kernels", lambda: count_kernels(task)) if chosen.by_depth else 0

    def choose(kernel: Kernel) -> KernelRule:
        if kernel.first and chosen.first:
            return Flat() if chosen.first == "flat" else box_rule(kernel)
        if chosen.by_depth:
            return (convolution, dense, Epsilon())[min(2, 3 * kernel.index // layers)]
        return dense if kernel.dense else convolution

    return propagate(task, Relevance(choose, box_of(low, high) if chosen.first == "box" else None))
