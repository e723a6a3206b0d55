"""How relevance passes a convolution or a linear layer: z, epsilon, gamma, alpha-beta, w-square, flat, z-box.

In all of them y_j = sum over i of x_i w_ij + b_j, R_j is the relevance of y_j and R_i that of x_i. A layer's own bias
takes part in the denominators (and so keeps its share) unless a rule says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kunstkammer.explanation.rules.kernel import Kernel
from kunstkammer.explanation.rules.relevance import divided, stabilised


@dataclass(frozen=True)
class Epsilon:
    """R_i = sum over j of x_i w_ij R_j / (y_j + epsilon sign(y_j)), sign(0) = 1; with epsilon 0 the z rule.

    Bach et al. 2015, equations 56 and 58. With `bias` off, y_j in the denominator is without b_j.
    """

    epsilon: float = 0.0
    bias: bool = True

    def keep(self, kernel: Kernel, x: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        if not self.bias and kernel.bias is not None:
            value = value - kernel.over_outputs(kernel.bias)
        return (stabilised(value, self.epsilon),)

    def back(self, kernel: Kernel, x: Tensor, relevance: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        return x * kernel.transpose(divided(relevance, kept[0]), x)
