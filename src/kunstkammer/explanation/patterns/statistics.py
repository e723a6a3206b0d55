"""The sums from which patterns follow: one pass, float64, as large as the weights however many pictures there are.

For one output y = w.x (without its bias) and the mask m of the estimator, over all pictures and places:

    c = E_m[x y] - E_m[x] E[y],     a = c / (w.c)

with E over everything and E_m over what the mask keeps (Kindermans et al. 2017, equations 6 to 8; so are the two
published implementations). The sums of x m and x y m over all patches of a convolution are the gradient by its weight
for m and m y as gradients of its output, so no patch is ever laid out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.interface import check_pixels, home
from kunstkammer.explanation.patterns import winograd
from kunstkammer.explanation.patterns.layers import Layer
from kunstkammer.explanation.patterns.recorder import Seen, show_layers
from kunstkammer.explanation.patterns.store import Patterns, fingerprint
from kunstkammer.explanation.task import borrowed

ESTIMATORS = ("two-component", "linear", "negative")
"""Where y counts: where the layer is active (S_a+), everywhere (S_a), where it is not (S_a-)."""

GATHERED = 512
"""So many rows of a dense layer are summed at a time."""


@dataclass
class LayerSums:
    """The sums of one weight, float64. O outputs; a weight's shape is that of the network's.

    Attributes:
        x, xy: sums of x m and x (y - shift) m, the weight's shape.
        kept: how often the mask keeps each output, (O,).
        y: sum of y over everything, (O,).
        shift: about the mean of y, (O,): around it the values are small, and float32 rounds away less.
        count: how many there are of each output.
        precision: the rounding of the arithmetic in which a batch was summed.
        rows: rows of a dense layer that are not summed yet: x, m and (y - shift) m. A sum costs as much as the weights
            are large, however few rows it is over, so some are gathered first.
    """

    x: Tensor
    xy: Tensor
    kept: Tensor
    y: Tensor
    shift: Tensor
    count: int = 0
    precision: float = 0.0
    rows: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    @classmethod
    def zeros(cls, like: Tensor) -> LayerSums:
        """Return the sums of nothing for a weight, or something of its shape."""
        empty = torch.zeros(like.shape, dtype=torch.float64, device=like.device)
        row = torch.zeros(len(like), dtype=torch.float64, device=like.device)
        return cls(empty, empty.clone(), row, row.clone(), row.clone())

    def add(self, seen: Seen, estimator: str) -> None:
        """Count one layer of one forward pass."""
        y, mask = seen.y, _mask(seen, estimator)
        convolution = seen.layer.geometry is not None
        number = y.numel() // len(self.kept)
        total = _sums(y, convolution)
        if not self.count:
            self.shift = total / number
        if convolution:
            kept, *sums = convolution_sums(seen.layer, y, mask, self.shift)
            self.kept += kept
            self._take(*sums)
        else:
            self.rows.append(dense_rows(seen.layer, y, mask, self.shift))
            self.kept += mask.reshape(-1, len(self.kept)).sum(0)
            if sum(len(part[0]) for part in self.rows) >= GATHERED:
                self.settle()
        self.y += total
        self.count += number
        self.precision = max(self.precision, torch.finfo(_computed_in(y)).eps)

    def settle(self) -> None:
        """Sum the rows that were gathered."""
        if self.rows:
            x, kept, around = (torch.cat(parts) for parts in zip(*self.rows, strict=True))
            self.rows.clear()
            # Called when the patterns are asked for, perhaps under the caller's autocast, which would round the sums.
            with torch.autocast(x.device.type, enabled=False):
                self._take(kept.T @ x, around.T @ x)

    def _take(self, x: Tensor, xy: Tensor) -> None:
        self.x += x
        self.xy += xy

    def merge(self, other: LayerSums) -> None:
        """Add the sums of other pictures."""
        self.settle()
        other.settle()
        if not self.count:
            self.shift = other.shift.to(self.shift)
        moved = other.xy + _along(other.shift - self.shift.to(other.shift), other.x) * other.x
        for mine, theirs in ((self.x, other.x), (self.xy, moved), (self.kept, other.kept), (self.y, other.y)):
            mine += theirs.to(mine.device)
        self.count += other.count
        self.precision = max(self.precision, other.precision)

    def pattern(self, weight: Tensor) -> Tensor:
        """Return the pattern a of each output, float64, the weight's shape; 0 for one that never varies ("dead")."""
        self.settle()
        kept, shift, total = (_along(row, self.x) for row in (self.kept.clamp(min=1), self.shift, self.y))
        mean_x, mean_y = self.x / kept, total / max(self.count, 1)
        covariance = self.xy / kept - mean_x * (mean_y - shift)
        weight = weight.detach().double()
        inner = (weight * covariance).flatten(1).sum(1)
        # Of a constant input only the rounding of x y is left, and w.a = 1 would blow it up.
        terms = (weight.abs() * (self.xy.abs() / kept + mean_x.abs() * (mean_y.abs() + shift.abs()))).flatten(1).sum(1)
        alive = inner.abs() > 4 * self.precision * terms
        return torch.where(_along(alive, self.x), covariance / _along(torch.where(alive, inner, 1.0), self.x), 0.0)


@dataclass
class PatternStatistics:
    """What `fit_patterns` has seen so far; made in several processes, it can be merged.

    Attributes:
        estimator: "two-component", "linear" or "negative".
        model_hash: of the weights of the model, see `fingerprint`.
        pictures: how many were seen.
        layers: the sums by the name of the weight. A weight that is used twice has one pattern, of all
            its uses.

    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).double()
    >>> first, second = PatternStatistics.of(model), PatternStatistics.of(model)
    >>> first.add(model, torch.rand(8, 1, 2, 2)); second.add(model, torch.rand(8, 1, 2, 2))
    >>> first.merge(second)
    >>> first.pictures, list(first.patterns(model).tensors)
    (16, ['1.weight'])
    """

    estimator: str
    model_hash: str
    pictures: int = 0
    layers: dict[str, LayerSums] = field(default_factory=dict)

    @classmethod
    def of(cls, model: nn.Module, estimator: str = "two-component") -> PatternStatistics:
        """Return empty statistics for a model. Raises `UnknownNameError` for an estimator that there is not."""
        check_estimator(estimator)
        return cls(estimator, fingerprint(model))

    def add(self, model: nn.Module, pixels: Tensor) -> None:
        """Count a batch (N, C, H, W) of the model's input; one forward pass. The model is left as it was found."""
        add_batch(model, pixels, [self])

    def see(self, seen: Seen) -> None:
        """Count one layer of one forward pass."""
        if seen.name not in self.layers:
            self.layers[seen.name] = LayerSums.zeros(seen.layer.weight)
        self.layers[seen.name].add(seen, self.estimator)

    def merge(self, other: PatternStatistics) -> None:
        """Add what was seen elsewhere. Raises `ModelError` for another model or estimator."""
        if (self.estimator, self.model_hash) != (other.estimator, other.model_hash):
            raise ModelError(
                f"Statistics of {_of(self)} and of {_of(other)} cannot be merged: fit one estimator on one model."
            )
        for name, sums in other.layers.items():
            if name not in self.layers:
                self.layers[name] = LayerSums.zeros(sums.x)
            self.layers[name].merge(sums)
        self.pictures += other.pictures

    def patterns(self, model: nn.Module) -> Patterns:
        """Return the patterns, in the type of the model's weights (float32 for shorter ones), on their device.

        Raises `ModelError` where nothing was seen yet or the sums are no numbers.
        """
        if not self.layers or not self.pictures:
            raise ModelError("Patterns need pictures: not one batch was given.")
        weights = dict(model.named_parameters()) | dict(model.named_buffers())
        tensors = {}
        for name, sums in self.layers.items():
            pattern = sums.pattern(weights[name])
            if not bool(pattern.isfinite().all()):
                raise ModelError(f"The statistics of {name} are not finite: the model overflows on these pictures.")
            tensors[name] = pattern.to(_computed_in(weights[name]))
        return Patterns(tensors, self.estimator, self.pictures, self.model_hash)


def add_batch(model: nn.Module, pixels: Tensor, statistics: Iterable[PatternStatistics]) -> None:
    """Count a batch for several statistics of one model, in one forward pass."""
    together = list(statistics)
    pixels = checked_batch(model, pixels)

    def see(seen: Seen) -> None:
        for one in together:
            one.see(seen)

    with borrowed(model):
        show_layers(model, pixels, see)
    for one in together:
        one.pictures += len(pixels)


def check_estimator(estimator: str) -> None:
    """Raise `UnknownNameError` for an estimator that there is not, with the nearest guess."""
    if estimator not in ESTIMATORS:
        raise unknown_name("estimator", estimator, ESTIMATORS)


def checked_batch(model: nn.Module, pixels: Tensor) -> Tensor:
    """Return a batch in the model's type, on its device; raise `ModelError` where it is no model input."""
    check_pixels(pixels)
    if not bool(pixels.isfinite().all()):
        raise ModelError("A batch has pixels that are not finite (NaN or infinite); patterns would be so too.")
    dtype, device = home(model, pixels)
    return pixels.detach().to(device, dtype)


def dense_rows(layer: Layer, y: Tensor, mask: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows x (M, features), m and m (y - shift), each (M, O), of a dense layer; at least float32.

    Copies: what the network does with its input later is its own affair.
    """
    dtype, outputs = _computed_in(y), len(layer.weight)
    kept = mask.reshape(-1, outputs)
    around = (y.reshape(-1, outputs).to(dtype) - shift.to(dtype)).mul_(kept)
    return layer.input.reshape(-1, layer.input.shape[-1]).to(dtype, copy=True), kept.to(dtype), around


def convolution_sums(layer: Layer, y: Tensor, mask: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums over all patches of m, (O,), of x m and x m (y - shift), the weight's shape; at least float32."""
    dtype, outputs = _computed_in(y), len(layer.weight)
    if winograd.suits(layer, y):
        return winograd.masked_sums(layer, y.to(dtype), mask, shift)
    # Both gradients at once: in each group of the outputs first the masks, then the values.
    groups = layer.geometry[3] if layer.geometry else 1
    last = y.is_contiguous(memory_format=torch.channels_last)
    form = torch.channels_last if last else torch.contiguous_format
    both = torch.empty((len(y), 2 * outputs, *y.shape[2:]), dtype=dtype, device=y.device, memory_format=form)
    kept, values = both.unflatten(1, (groups, 2, -1)).unbind(2)
    kept.copy_(mask.unflatten(1, (groups, -1)))
    torch.sub(y.to(dtype).unflatten(1, (groups, -1)), shift.to(dtype).view(groups, -1, 1, 1), out=values)
    values *= kept
    sums = conv2d_weight(layer.input.to(dtype), (2 * outputs, *layer.weight.shape[1:]), both, *layer.geometry or ())
    x, xy = sums.unflatten(0, (groups, 2, -1)).unbind(1)
    return kept.sum((3, 4)).double().sum(0).flatten(), x.flatten(0, 1), xy.flatten(0, 1)


def _sums(values: Tensor, convolution: bool) -> Tensor:
    """Return the sum of each output over pictures and places, float64 (O,): each picture's own in the type it has."""
    each = values.sum((2, 3)) if convolution else values.sum(-2) if values.ndim > 2 else values
    return each.double().reshape(-1, each.shape[-1]).sum(0)


def _mask(seen: Seen, estimator: str) -> Tensor:
    if estimator == "linear":
        return torch.ones_like(seen.active)
    return seen.active if estimator == "two-component" else ~seen.active


def _computed_in(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _along(row: Tensor, like: Tensor) -> Tensor:
    """Return a value an output (O,) so that it meets a tensor of the weight's shape."""
    return row.reshape(-1, *[1] * (like.ndim - 1))


def _of(statistics: PatternStatistics) -> str:
    return f"{statistics.estimator} (model {statistics.model_hash[:12]})"
