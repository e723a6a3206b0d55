"""Curves and checks as pictures: small charts by family, each line named where it ends, all others in pale grey."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kunstkammer.explanation.degradation import RANDOM
from kunstkammer.explanation.facts import facts_of, methods_with
from kunstkammer.explanation.signal import short_names

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.float64]

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#b8860b", "#333333", "#56b4e9")
TITLES = {
    "patterns": "Patterns, and what the paper holds them against",
    "gradients": "Gradients",
    "cams": "Grad-CAM",
    "windows": "Covered windows",
    "lrp": "LRP, one rule in all layers",
    "composites": "LRP, special layers; deep Taylor",
    "attention": "Attention",
    "others": "Others",
}
ACROSS = 2


def panels_of(methods: Sequence[str]) -> dict[str, list[str]]:
    """Return family -> the methods of it that there are; those of no family come last.

    >>> panels_of(["gradient", "my-own"])
    {'gradients': ['gradient'], 'others': ['my-own']}
    """
    known = [(name, facts_of(name)) for name in methods_with(lambda _: True) if name in methods]
    panels = {family: [name for name, one in known if one.family == family] for family in TITLES}
    # The first chart holds what the paper claims beside what it claims to beat.
    claimed, against = ([name for name, one in known if one.claim == part] for part in ("claimed", "against"))
    panels["patterns"] = [*claimed, *against]
    if not claimed and set(against) <= set(panels["gradients"]):
        panels["patterns"] = []
    if all(facts_of(name).twin for name in panels["attention"]):  # the network has no attention to follow
        panels["composites"] += panels["attention"]
        panels["attention"] = []
    panels["others"] = [name for name in methods if not any(name in members for members in panels.values())]
    return {family: members for family, members in panels.items() if members}


def curves_figure(
    curves: Mapping[str, Floats], patches: Sequence[int], *, order: str = "most", patch: int = 9
) -> Image.Image:
    """Draw the mean curves of all methods: a chart a family, the random order dashed.

    Args:
        curves: method -> probability (N, P); "random" among them.
        patches: numbers of replaced patches (P,).
        order: "most" or "least" relevant first, for the title.
        patch: side of a patch, for the title.
    """
    from matplotlib.figure import Figure

    means = {name: values.mean(axis=0) for name, values in curves.items()}
    panels = panels_of([name for name in means if name != RANDOM])
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(0.4 + 5.3 * across, 0.9 + 3.0 * down), layout="constrained")
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    low = min(float(mean.min()) for mean in means.values())
    high = max(float(mean.max()) for mean in means.values())
    for axes, (family, members) in zip(grid.flat, panels.items(), strict=False):
        for name, mean in means.items():
            if name not in members and name != RANDOM:
                axes.plot(patches, mean, color="#e4e0d8", linewidth=0.9, zorder=1)
        axes.plot(patches, means[RANDOM], color="#6b655c", linestyle=(0, (4, 3)), linewidth=1.5, zorder=2)
        ends = {RANDOM: (float(means[RANDOM][-1]), "#6b655c")}
        for colour, name in zip(COLOURS, members, strict=False):
            axes.plot(patches, means[name], color=colour, linewidth=2, zorder=3)
            ends[name] = (float(means[name][-1]), colour)
        order_of_names = sorted(ends, key=lambda name: (round(ends[name][0], 3), float(means[name].mean())))
        _name_ends(axes, {name: ends[name] for name in order_of_names}, patches[-1], low, high)
        axes.set_title(TITLES[family], fontsize=11, loc="left", color="#24211d")
        axes.grid(axis="y", color="#eeeae2", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#a9a296")
        axes.tick_params(labelsize=9, colors="#655e54")
        axes.set_xlim(0, patches[-1])
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for column in range(across):  # the lowest chart of each column keeps its axis
        last = [row for row in range(down) if row * across + column < len(panels)][-1]
        grid[last, column].tick_params(labelbottom=True)
    first = "most" if order == "most" else "least"
    better = "faster falls" if order == "most" else "slower falls"
    figure.supylabel("probability of the class chosen at first", fontsize=10, color="#24211d")
    said = f"patches of {patch} x {patch} pixels replaced, {first} relevant first"
    figure.supxlabel(said, fontsize=10, color="#24211d")
    count = len(next(iter(curves.values())))
    figure.suptitle(
        f"What is left of the answer: {better} are better maps (mean of {count} pictures)",
        fontsize=12, x=0.01, ha="left", color="#24211d",
    )  # fmt: skip
    return _image(figure)


def _name_ends(axes: Any, ends: Mapping[str, tuple[float, str]], x: float, low: float, high: float) -> None:
    """Write each name at the end of its line, from the lowest up, pushed apart so that none covers another."""
    gap = (high - low) * 0.085
    placed: list[tuple[float, str, str]] = []
    for name, (y, colour) in ends.items():
        at = y if not placed else max(y, placed[-1][0] + gap)
        placed.append((at, name, colour))
    over = placed[-1][0] - high
    if over > 0:  # too high: push everything down that has room
        shifted = []
        limit = high
        for at, name, colour in reversed(placed):
            at = min(at, limit)
            limit = at - gap
            shifted.append((at, name, colour))
        placed = shifted
    for at, name, colour in placed:
        axes.annotate(
            name, (x, at), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9, color=colour,
            annotation_clip=False,
        )  # fmt: skip


def cascade_figure(cascades: Mapping[str, Sequence[tuple[str, float]]], limit: float) -> Image.Image:
    """Draw how alike the maps still are after each step of the cascade: a row a method, a column a step.

    Args:
        cascades: method -> [(layer, mean likeness)]; methods that were looked at less often leave cells empty.
        limit: below which maps count as unlike.
    """
    from matplotlib.figure import Figure

    layers = max((list(dict(rows)) for rows in cascades.values()), key=len)
    table = np.full((len(cascades), len(layers)), np.nan)
    for row, found in enumerate(cascades.values()):
        for layer, value in found:
            table[row, layers.index(layer)] = value
    figure = Figure(figsize=(3.2 + 0.95 * len(layers), 1.7 + 0.27 * len(cascades)), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(np.abs(table), cmap="YlOrBr", vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(np.isfinite(table)), strict=True):
        value = table[row, column]
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=8,
            color="white" if abs(value) > 0.65 else "#24211d",
        )  # fmt: skip
    names = [_short(layer) for layer in short_names(layers)]
    axes.set_xticks(range(len(layers)), names, rotation=30, ha="left", fontsize=8)
    axes.set_yticks(range(len(cascades)), list(cascades), fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02)
    bar.ax.axhline(limit, color="#24211d", linewidth=1.2)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(
        "How alike maps stay when layers are drawn anew, from the output (left) down to this one\n"
        f"1: the same map, 0: another one. A method should end below {limit:g}, on the right",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return _image(figure)


def _short(layer: str, most: int = 24) -> str:
    """Return the end of a layer's name, as many of its parts as there is room for.

    >>> _short("mobilenet_v2.layer.15.expand_1x1.convolution")
    '...expand_1x1.convolution'
    """
    parts = layer.split(".")
    while len(parts) > 1 and len(".".join(parts)) > most:
        del parts[0]
    short = ".".join(parts)
    return short if short == layer else f"...{short}"


def _image(figure: Any) -> Image.Image:
    from PIL import Image

    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=130)
        return Image.open(buffer).convert("RGB")
