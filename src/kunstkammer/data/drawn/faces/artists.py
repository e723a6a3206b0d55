"""Whose hand draws a face: seven styles, and artists who work in them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kunstkammer.data.drawn.canvas import Colour
from kunstkammer.data.drawn.faces.landmarks import Caricature


@dataclass(frozen=True)
class Style:
    """What the drawings of one style have in common. Lengths in 1/192 of the picture's side.

    Attributes:
        pen: width of an outline.
        taper, jitter: as in `canvas.Hand`.
        tone: what shadows are made of: "dots", "hatch", "tint", or "" for none.
        coloured: whether skin, hair and clothes are painted.
        black_hair: whether hair is filled with ink.
        outlines: whether shapes have outlines.
        strokes: how often a line is drawn over.
        grey_ink: how far ink is from black, 0 to 1.
        caricature: how the faces differ from life.
    """

    name: str
    pen: float
    taper: float
    jitter: float
    tone: str
    coloured: bool
    caricature: Caricature
    black_hair: bool = False
    outlines: bool = True
    strokes: int = 1
    grey_ink: float = 0.0
    large_eyes: bool = False


STYLES: Mapping[str, Style] = MappingProxyType({
    style.name: style
    for style in (
        Style("ink", 1.25, 0.0, 0.0, "", False, Caricature(exaggeration=1.1, eye_height=1.1)),
        Style("brush", 2.3, 1.0, 0.15, "", False, Caricature(exaggeration=1.15, eye_height=1.1), black_hair=True),
        Style(
            "manga", 1.1, 0.75, 0.0, "dots", False,
            Caricature(1.32, 1.75, 1.62, 0.55, 0.82, 0.8, 0.06, 1.12), large_eyes=True,
        ),
        Style(
            "flat", 1.3, 0.0, 0.0, "tint", True, Caricature(1.08, 1.2, 1.1, 0.95, 1.0, 1.0, 0.01, 1.1),
            outlines=False,
        ),
        Style("cartoon", 2.1, 0.35, 0.0, "dots", True, Caricature(1.15, 1.5, 1.0, 0.85, 1.12, 1.02, 0.07, 1.2)),
        Style("pencil", 1.0, 0.5, 0.45, "hatch", False, Caricature(exaggeration=1.05), strokes=3, grey_ink=0.55),
        Style("hatched", 1.2, 0.7, 0.12, "hatch", False, Caricature(1.0, 1.05, 1.0, 1.05, 1.0, 1.04, 0.0, 1.1)),
    )
})  # fmt: skip
"""The styles by name."""


@dataclass(frozen=True)
class Artist:
    """One drawing's hand: a style, and numbers about it that vary from drawing to drawing."""

    style: Style
    caricature: Caricature
    pen: float
    spacing: float  # of dots and strokes
    angle: float  # of dots and strokes, degrees
    ink: Colour
    paper: Colour
    ground: Colour
    light: int  # from which side light falls, -1 or 1

    @property
    def name(self) -> str:
        """The name of the style."""
        return self.style.name


_PAPERS: tuple[Colour, ...] = ((252, 251, 248), (248, 242, 228), (244, 236, 222), (236, 240, 240))
_GROUNDS: tuple[Colour, ...] = (
    (196, 216, 226), (232, 208, 176), (204, 222, 190), (226, 196, 196), (210, 204, 226), (240, 224, 150),
    (150, 180, 196),
)  # fmt: skip


def make_artist(rng: random.Random) -> Artist:
    """Choose a style and vary it by lot."""
    style = rng.choice(tuple(STYLES.values()))
    usual = style.caricature

    def about(value: float, spread: float) -> float:
        return value * rng.uniform(1 - spread, 1 + spread)

    caricature = Caricature(
        about(usual.eye_width, 0.05), about(usual.eye_height, 0.08), about(usual.iris, 0.06), about(usual.nose, 0.08),
        about(usual.mouth, 0.05), about(usual.jaw, 0.03), usual.brow_lift, about(usual.exaggeration, 0.06),
    )  # fmt: skip
    dark = round(rng.uniform(14, 34) + 150 * style.grey_ink * rng.uniform(0.7, 1.1))
    warm = rng.randrange(-4, 9)
    return Artist(
        style, caricature, about(style.pen, 0.2), rng.choice((3.0, 3.4, 3.8)) * (1.1 if style.tone == "hatch" else 1.0),
        rng.choice((30.0, 45.0, 60.0)), (dark + warm, dark, max(0, dark - warm)), rng.choice(_PAPERS),
        rng.choice(_GROUNDS), rng.choice((-1, 1)),
    )  # fmt: skip
