"""How relevance passes a convolution or a linear layer: z, epsilon, gamma, alpha-beta, w-square, flat, z-box.

In all of them y_j = sum over i of x_i w_ij + b_j, R_j is the relevance of y_j and R_i that of x_i. A layer's own bias
takes part in the denominators (and so keeps its share) unless a rule says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
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


@dataclass(frozen=True)
class Gamma:
    """Positive weights count 1 + gamma fold where the output is positive, negative ones where it is negative.

    Montavon et al. 2019, section 10.2.3; for inputs and outputs of either sign as Andeol et al. 2021: what counts more
    is each contribution x_i w_ij that has the output's own sign.
    """

    gamma: float = 0.25
    epsilon: float = 0.0

    def keep(self, kernel: Kernel, x: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        return (value >= 0,)

    def back(self, kernel: Kernel, x: Tensor, relevance: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        (positive,) = kept
        more = _Signed(kernel, x, up=self.gamma)
        result = more.back(relevance * positive, self.epsilon)
        below = relevance * ~positive
        if bool(below.any()):
            result = result + _Signed(kernel, x, down=self.gamma).back(below, self.epsilon)
        return result


class _Signed:
    """A kernel whose positive contributions count 1 + up fold and whose negative ones 1 + down fold."""

    def __init__(self, kernel: Kernel, x: Tensor, up: float = 0.0, down: float = 0.0) -> None:
        self.kernel = kernel
        # What is positive in x makes with a positive weight a positive contribution, what is negative a negative one.
        self.parts = [(x.clamp(min=0), _favoured(kernel.weight, up, down))]
        if bool((x < 0).any()):
            self.parts.append((x.clamp(max=0), _favoured(kernel.weight, down, up)))
        self.bias = None if kernel.bias is None else _favoured(kernel.bias, up, down)

    def back(self, relevance: Tensor, epsilon: float) -> Tensor:
        sums = sum_of(self.kernel.apply(x, weight) for x, weight in self.parts)
        if self.bias is not None:
            sums = sums + self.kernel.over_outputs(self.bias)
        ratio = divided(relevance, stabilised(sums, epsilon))
        return sum_of(x * self.kernel.transpose(ratio, x, weight) for x, weight in self.parts)


def _favoured(values: Tensor, up: float, down: float) -> Tensor:
    """Return values of which the positive ones count 1 + up fold and the negative ones 1 + down fold."""
    result = values
    if up:
        result = values.clamp(min=0).mul_(up).add_(result)
    if down:
        result = values.clamp(max=0).mul_(down).add_(result)
    return result


@dataclass(frozen=True)
class AlphaBeta:
    """R_i = sum over j of (alpha (x_i w_ij)+ / z_j+ - beta (x_i w_ij)- / z_j-) R_j, alpha - beta = 1.

    Bach et al. 2015, equation 60. z_j+ and z_j- are the sums of the positive and of the negative contributions. With
    `bias` on, both have the whole b_j added, as in the reference implementation (iNNvestigate 1.0.9). With "split", and
    always where b_j comes from a batch norm folded in (which the reference does not do, and which would often turn the
    sign of a denominator), the first has b_j where that is positive, the second where it is negative.
    """

    alpha: float = 2.0
    beta: float = 1.0
    bias: bool | Literal["split"] = True

    def keep(self, kernel: Kernel, x: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        return ()

    def back(self, kernel: Kernel, x: Tensor, relevance: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        above, below = x.clamp(min=0), (x.clamp(max=0) if bool((x < 0).any()) else None)
        high = kernel.weight.clamp(min=0)
        # Of a layer with many weights this costs as much as a pass of a few pictures: only where it is needed.
        low = kernel.weight.clamp(max=0) if self.beta or below is not None else high
        more = less = kernel.bias if self.bias else None
        if kernel.bias is not None and (self.bias == "split" or (self.bias and kernel.folded)):
            more, less = kernel.bias.clamp(min=0), kernel.bias.clamp(max=0)
        result = self.alpha * self._part(kernel, relevance, more, (above, high), (below, low))
        if self.beta:
            result = result - self.beta * self._part(kernel, relevance, less, (above, low), (below, high))
        return result

    def _part(
        self, kernel: Kernel, relevance: Tensor, bias: Tensor | None, *parts: tuple[Tensor | None, Tensor]
    ) -> Tensor:
        given = [(x, weight) for x, weight in parts if x is not None]
        sums = sum_of(kernel.apply(x, weight) for x, weight in given)
        if bias is not None:
            sums = sums + kernel.over_outputs(bias)
        ratio = divided(relevance, sums)
        return sum_of(x * kernel.transpose(ratio, x, weight) for x, weight in given)


@dataclass(frozen=True)
class WSquare:
    """R_i = sum over j of w_ij^2 / (sum over i of w_ij^2) R_j: in proportion to squared weights, whatever x is.

    Montavon et al. 2017 (deep Taylor decomposition), section 4.
    """

    def keep(self, kernel: Kernel, x: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        return ()

    def back(self, kernel: Kernel, x: Tensor, relevance: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        weight = self.shares(kernel.weight)
        sums = kernel.apply(torch.ones_like(x[:1]), weight)
        return kernel.transpose(divided(relevance, sums.expand_as(relevance)), x, weight)

    def shares(self, weight: Tensor) -> Tensor:
        """Return what each input's share is in proportion to."""
        return weight.square()


@dataclass(frozen=True)
class Flat(WSquare):
    """R_i = sum over j of R_j / (number of inputs of j): evenly (the flat rule; Lapuschkin et al. 2019)."""

    def shares(self, weight: Tensor) -> Tensor:
        return torch.ones_like(weight)


@dataclass(frozen=True)
class ZBox:
    """For inputs that lie between low and high, as pixels do; each broadcasts with x.

    R_i = sum over j of (x_i w_ij - low_i w_ij+ - high_i w_ij-) / (the sum of these over i) R_j: Montavon et al. 2017
    (deep Taylor decomposition), section 4, the z^B rule.
    """

    low: Tensor
    high: Tensor

    def keep(self, kernel: Kernel, x: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        return ()

    def back(self, kernel: Kernel, x: Tensor, relevance: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        weight = kernel.weight
        low, high = self.low.expand_as(x), self.high.expand_as(x)
        parts = ((x, weight), (-low, weight.clamp(min=0)), (-high, weight.clamp(max=0)))
        ratio = divided(relevance, sum_of(kernel.apply(part, one) for part, one in parts))
        return sum_of(part * kernel.transpose(ratio, x, one) for part, one in parts)


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of tensors of one shape, of which there is at least one."""
    first, *others = terms
    for other in others:
        first = first + other
    return first
