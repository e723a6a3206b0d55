"""How well signal estimators take the signal out of a layer's input: the correlation measure rho.

    rho(S) = 1 - max over v of corr(w.x, v.(x - S(x)))

An estimator S is good where nothing in what it leaves, x - S(x), tells the output any more (Kindermans et al. 2017,
section 4, equation 4). Patterns are fitted, v optimised, and rho evaluated on three separate parts: on the part that
they were fitted on, S_a and S_a+- have rho = 1 by construction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.explanation.patterns.moments import TARGETS, Correlation, Moments, Solver
from kunstkammer.explanation.patterns.recorder import Seen, show_layers
from kunstkammer.explanation.patterns.samples import Sample, draw
from kunstkammer.explanation.patterns.statistics import ESTIMATORS, PatternStatistics, add_batch, checked_batch
from kunstkammer.explanation.task import borrowed
from kunstkammer.progress import progress

if TYPE_CHECKING:
    from PIL import Image

SIGNALS = ("random", "S_w", "S_a", "S_a+-")
"""A random direction, the filter, the linear pattern, the two-component pattern."""

Directions = dict[str, tuple[Tensor, Tensor]]


class Batches(Protocol):
    """Batches (N, C, H, W) that can be counted and gone through several times: a list, a DataLoader."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class SignalRow:
    """One estimator at one layer.

    Attributes:
        layer: the name of its weight.
        estimator: one of `SIGNALS`.
        target: "linear" (y = w.x) or "rectified" (what goes on of it, max(0, y + b)).
        rho: mean over the outputs; about 0 (all of the signal is left) to 1 (none is).
        deviation: its standard deviation over the outputs.
        outputs: over how many: dead ones, and those that do not vary, are left out.
    """

    layer: str
    estimator: str
    target: str
    rho: float
    deviation: float
    outputs: int


@dataclass(frozen=True)
class SignalQuality:
    """What `signal_quality` returns: a row a layer, estimator and target; the layers in the order of the network.

    Attributes:
        rows: the figures.
        left_out: layer -> why it was not measured.
        patches: how many patches v was optimised on and rho evaluated on, at most, each.
    """

    rows: list[SignalRow]
    patches: int
    left_out: dict[str, str] = field(default_factory=dict)

    def rho(self, layer: str, estimator: str, target: str = "rectified") -> float:
        """Return one figure."""
        wanted = (layer, estimator, target)
        return next(row.rho for row in self.rows if (row.layer, row.estimator, row.target) == wanted)

    def layers(self) -> list[str]:
        """Return the layers that were measured."""
        return list(dict.fromkeys(row.layer for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


def signal_quality(
    model: nn.Module,
    fit: Iterable[Tensor],
    optimise: Batches,
    evaluate: Batches,
    *,
    patches: int = 20_000,
    most_inputs: int = 2_500,
    fewest_per_input: float = 0.0,
    seed: int = 0,
    show_progress: bool = True,
) -> SignalQuality:
    """Measure rho of all signal estimators at every layer of a model.

    Args:
        model: as for `fit_patterns`; left as it was found.
        fit, optimise, evaluate: batches (N, C, H, W) of three separate parts of the pictures: patterns are fitted on
            the first, v on the second, and rho evaluated on the third.
        patches: of each layer so many patches (or rows) of each part are used at most, drawn at random, evenly over
            the batches. v has as many numbers as a patch: with few more patches than that, all estimators look good.
        most_inputs: layers whose patches have more values are left out (the cost grows with its third power).
        fewest_per_input: layers of which there are fewer patches to optimise v on than this times the values of a
            patch are left out.
        seed: of the drawing and of the random direction.
        show_progress: show a bar.

    Raises `ModelError` where a part is empty or no model input.
    """
    model = getattr(model, "_orig_mod", model)
    fitted = _fitted(model, fit)
    weights = dict(model.named_buffers()) | dict(model.named_parameters())
    names = list(fitted["linear"])
    widths = {name: weights[name][0].numel() for name in names}
    left_out = {
        name: f"its patches have {width} values, more than {most_inputs}"
        for name, width in widths.items()
        if width > most_inputs
    }
    measured = [name for name in names if name not in left_out]
    sampler = _Sampler(model, patches, seed)
    moments = {name: Moments() for name in measured}
    correlations: dict[str, dict[str, Correlation]] = {
        name: {estimator: Correlation() for estimator in SIGNALS} for name in measured
    }
    total = len(optimise) + len(evaluate)
    with progress("measuring signals", total) if show_progress else contextlib.nullcontext(_ignore) as advance:
        for sample_of in sampler.over(optimise, 1, advance):
            for name in measured:
                moments[name].add(sample_of[name])
        few = {name: moments[name].count for name in measured if moments[name].count < fewest_per_input * widths[name]}
        left_out |= {
            name: f"there are {count} samples to choose v on, too few for its {widths[name]} inputs"
            for name, count in few.items()
        }
        measured = [name for name in measured if name not in few]
        solved = {name: _solved(name, fitted, weights[name], moments.pop(name), seed) for name in measured}
        for sample_of in sampler.over(evaluate, 2, advance):
            for name in measured:
                for estimator, found in solved[name].items():
                    correlations[name][estimator].add(sample_of[name], *found)
    rows = [
        row
        for name in measured
        for estimator in SIGNALS
        for row in _rows(name, estimator, correlations[name][estimator].value(), solved[name][estimator][0])
    ]
    return SignalQuality(rows, patches, left_out)


def _fitted(model: nn.Module, batches: Iterable[Tensor]) -> dict[str, dict[str, Tensor]]:
    """Fit the patterns of all estimators in one pass: estimator -> weight name -> pattern."""
    statistics = {name: PatternStatistics.of(model, name) for name in ESTIMATORS}
    for batch in batches:
        add_batch(model, batch, statistics.values())
    return {name: one.patterns(model).tensors for name, one in statistics.items()}


class _Sampler:
    """Runs the model over batches and gives a sample of every layer's patches for each, of bounded number in all."""

    def __init__(self, model: nn.Module, patches: int, seed: int) -> None:
        self._model, self._patches, self._seed = model, patches, seed

    def over(self, batches: Batches, part: int, advance: Callable[[int], None]) -> Iterator[dict[str, Sample]]:
        """Yield the samples of each batch by the name of the weight."""
        if not len(batches):
            raise ModelError("A part without a batch: patterns, v and the measure need one each at least.")
        quota = max(1, self._patches // len(batches))
        generator = torch.Generator().manual_seed(self._seed * 3 + part)
        for batch in batches:
            found: dict[str, list[Sample]] = {}

            def see(seen: Seen, found: dict[str, list[Sample]] = found) -> None:
                found.setdefault(seen.name, []).append(draw(seen, quota, generator))

            pixels = checked_batch(self._model, batch)
            with borrowed(self._model):
                show_layers(self._model, pixels, see)
            yield {name: _joined(samples) for name, samples in found.items()}
            advance(1)


def _joined(samples: Sequence[Sample]) -> Sample:
    """Return the samples of a weight that is used several times as one."""
    if len(samples) == 1:
        return samples[0]
    parts = zip(*((s.x, s.y, s.passed, s.active) for s in samples), strict=True)
    return Sample(*(torch.cat(part, dim=1) for part in parts))


def _solved(
    name: str, fitted: dict[str, dict[str, Tensor]], weight: Tensor, moments: Moments, seed: int
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return for each estimator its directions, where the layer is active and where not, and the best v."""
    directions = _directions(name, fitted, weight, moments, seed)
    solver = Solver(moments)
    return {e: (on, off, solver.best(on, off)) for e, (on, off) in directions.items()}


def _directions(
    name: str, fitted: dict[str, dict[str, Tensor]], weight: Tensor, moments: Moments, seed: int
) -> Directions:
    """Return what each estimator multiplies y with where the layer is active and where not, each (G, D, O / G)."""
    groups = torch.as_tensor(moments.x).shape[0]

    def shaped(tensor: Tensor) -> Tensor:
        return tensor.detach().double().flatten(1).view(groups, len(tensor) // groups, -1).transpose(1, 2)

    def scaled(tensor: Tensor) -> Tensor:
        inner = (w * tensor).sum(1, keepdim=True)
        return torch.where(inner == 0, 0.0, tensor / torch.where(inner == 0, 1.0, inner))

    w = shaped(weight)
    drawn = torch.randn(w.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    random, filters = scaled(drawn.to(w)), scaled(w)
    linear, on, off = (shaped(fitted[e][name]) for e in ("linear", "two-component", "negative"))
    return {"random": (random, random), "S_w": (filters, filters), "S_a": (linear, linear), "S_a+-": (on, off)}


def _rows(name: str, estimator: str, correlations: Tensor, on: Tensor) -> Iterator[SignalRow]:
    alive = on.abs().sum(1) > 0
    for k, target in enumerate(TARGETS):
        rho = 1 - correlations[..., k][alive]
        rho = rho[rho.isfinite()]
        if len(rho):
            yield SignalRow(name, estimator, target, float(rho.mean()), float(rho.std(correction=0)), len(rho))


def signal_figure(quality: SignalQuality, target: str = "rectified") -> Image.Image:
    """Draw rho of each estimator over the layers of the network, in their order; a band of one standard deviation."""
    import io

    from matplotlib.figure import Figure
    from PIL import Image

    layers = quality.layers()
    figure = Figure(figsize=(min(11.5, max(6.2, 2.5 + 0.55 * len(layers))), 4.2), layout="constrained")
    axes = figure.subplots()
    for estimator, (colour, mark) in _LOOKS.items():
        rows = [row for row in quality.rows if (row.estimator, row.target) == (estimator, target)]
        places = [layers.index(row.layer) for row in rows]
        mean = [row.rho for row in rows]
        size = 6 if len(layers) <= MOST_NAMES else 3.5
        axes.plot(places, mean, color=colour, marker=mark, markersize=size, label=_LABELS[estimator])
        low, high = ([row.rho + sign * row.deviation for row in rows] for sign in (-1, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
    names, every = short_names(layers), -(-len(layers) // MOST_NAMES)
    long = max(map(len, names)) > 4
    axes.set_xticks(
        range(0, len(layers), every), names[::every], rotation=40 * long, ha="right" if long else "center", fontsize=8
    )
    axes.set_ylim(min(0.0, *(row.rho for row in quality.rows)) - 0.03, 1.03)
    said = "y = w·x" if target == "linear" else "max(0, y + b)"
    axes.set_ylabel(f"ρ for {said}   (0: all signal left, 1: none)", fontsize=9)
    axes.set_xlabel("layer")
    figure.suptitle("How much of the signal an estimator takes out, on pictures held out", fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=120)
        return Image.open(buffer).convert("RGB")


MOST_NAMES = 20
"""So many layers are named below the figure of rho, at most."""


def short_names(layers: Sequence[str]) -> list[str]:
    """Return the names of weights without what all of them begin with, and without ".weight".

    >>> short_names(["net.stages.0.conv.weight", "net.stages.1.conv.weight", "net.head.weight"])
    ['stages.0.conv', 'stages.1.conv', 'head']
    """
    parts = [layer.removesuffix(".weight").removesuffix(".convolution").split(".") for layer in layers]
    shared = next((i for i, level in enumerate(zip(*parts, strict=False)) if len(set(level)) > 1), 0)
    return [".".join(part[shared:]) for part in parts]


_LOOKS = {
    "random": ("#888888", "x"),
    "S_w": ("#0072b2", "s"),
    "S_a": ("#e69f00", "^"),
    "S_a+-": ("#d55e00", "o"),
}
_LABELS = {"random": "random", "S_w": "$S_w$", "S_a": "$S_a$", "S_a+-": "$S_{a+-}$"}


def _ignore(_: int) -> None:
    return None
