"""Deep Taylor decomposition."""

from __future__ import annotations

from torch import Tensor

from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.rules.box import Bound, box_of, box_rule
from kunstkammer.explanation.rules.engine import propagate
from kunstkammer.explanation.rules.kernel_rules import AlphaBeta
from kunstkammer.explanation.rules.relevance import PositiveRelevance
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers",
    "deep-taylor",
    "Deep Taylor decomposition: positive contributions alone (Montavon et al. 2017)",
    ExplainerFacts("composites", shares=True),
)
def deep_taylor(task: Task, *, bounded: bool = False, low: Bound = None, high: Bound = None) -> Tensor:
    """Return the deep Taylor decomposition of each picture, nowhere negative, (N, C, H, W).

    max(0, y) goes in at the top, so that a class with a negative logit gets nothing. The z+ rule without bias in every
    layer, for negative inputs too; average pooling by its gradient, max pooling to its winners (as the reference
    implementation, iNNvestigate 1.0.9).

    Args:
        task: the batch.
        bounded: the z-box rule in the first layer, for pixels between low and high; also where one of these is given.
        low: the least value that a pixel can have, a number or one for each channel; each picture's own by default.
        high: the greatest one, likewise.
    """
    plus = AlphaBeta(1.0, 0.0, bias=False)
    if not bounded and low is None and high is None:
        return propagate(task, PositiveRelevance(lambda _: plus))
    choose = PositiveRelevance(lambda kernel: box_rule(kernel) if kernel.first else plus, box_of(low, high))
    return propagate(task, choose)
