"""What a model card tells, made fit to show: its figures, and its Markdown as HTML that can do no harm."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markupsafe import Markup

from kunstkammer.web.records import ModelCard

HEADLINES = ("accuracy", "samples_f1", "macro_f1", "balanced_accuracy", "micro_f1")
LOWER_IS_BETTER = frozenset({"log_loss", "brier_score", "expected_calibration_error"})
NO_SHARE = frozenset({"log_loss", "brier_score", "roc_auc"})
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One figure of a model with its interval, beside ZeroR's."""

    name: str
    value: float
    low: float | None
    high: float | None
    zero_r: float | None

    @property
    def share(self) -> bool:
        """Whether it reads as a share of pictures or labels."""
        return self.name not in NO_SHARE and 0 <= self.value <= 1

    @property
    def lower_is_better(self) -> bool:
        """Whether it does."""
        return self.name in LOWER_IS_BETTER


def figures_of(card: ModelCard) -> list[Figure]:
    """Return the figures in `card.facts`: {"metrics": {NAME: {"value", "low", "high"}}, "zero_r": {NAME: x}}."""
    metrics, zero = card.facts.get("metrics"), card.facts.get("zero_r")
    zero = zero if isinstance(zero, Mapping) else {}
    found = []
    for name, one in metrics.items() if isinstance(metrics, Mapping) else ():
        one = one if isinstance(one, Mapping) else {"value": one}
        value = _number(one.get("value"))
        if value is not None:
            found.append(
                Figure(str(name), value, _number(one.get("low")), _number(one.get("high")), _number(zero.get(name)))
            )
    return sorted(found, key=lambda one: HEADLINES.index(one.name) if one.name in HEADLINES else len(HEADLINES))


def headline(card: ModelCard) -> Figure | None:
    """Return the figure that stands for a model in a list."""
    found = figures_of(card)
    return next((one for name in HEADLINES for one in found if one.name == name), found[0] if found else None)


def _number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


@functools.cache
def _markdown() -> MarkdownIt:
    """CommonMark and tables; no HTML of the card's own, and of pictures, which would be fetched, their words alone."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.add_render_rule("image", lambda self, tokens, i, options, env: escapeHtml(tokens[i].content))
    return made


def described(card: ModelCard) -> Markup:
    """Return a model card as HTML: without its YAML head and title, its headings one level lower.

    >>> text = "# T\\n## A\\n<b>x</b> [y](javascript:z)"
    >>> print(described(ModelCard("m", "", (), False, {}, (), False, False, False, False, card=text)))
    <h3>A</h3>
    <p>&lt;b&gt;x&lt;/b&gt; [y](javascript:z)</p>
    <BLANKLINE>
    """
    text = _FRONT_MATTER.sub("", card.card.replace("\r\n", "\n"))
    tokens = _markdown().parse(re.sub(r"\A\s*# [^\n]*\n", "", text))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
    return Markup(_markdown().renderer.render(tokens, _markdown().options, {}))
