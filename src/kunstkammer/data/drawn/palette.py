"""Colours of a page: greys for most, flat print colours for some, the same for both kinds of comics."""

from __future__ import annotations

import random
from dataclasses import dataclass

from kunstkammer.data.drawn.canvas import Colour

COLOURINGS = ("grey", "tinted", "coloured")
"""Black on white, black on tinted paper, flat colours."""

_PAPERS: tuple[Colour, ...] = ((250, 238, 206), (246, 226, 196), (232, 240, 226), (244, 226, 224), (226, 234, 244))
_SKINS: tuple[Colour, ...] = ((252, 222, 196), (238, 196, 160), (198, 146, 108), (142, 98, 72), (250, 232, 214))
_HAIRS: tuple[Colour, ...] = (
    (46, 38, 40),
    (112, 66, 38),
    (208, 160, 74),
    (176, 72, 44),
    (84, 84, 110),
    (206, 200, 190),
)
_INKS: dict[str, tuple[Colour, ...]] = {
    "sea": ((226, 92, 70), (58, 120, 160), (240, 206, 120), (120, 176, 170), (88, 82, 120)),
    "autumn": ((190, 84, 44), (222, 164, 70), (126, 128, 76), (92, 100, 116), (232, 206, 170)),
    "poster": ((214, 60, 58), (246, 206, 72), (64, 110, 178), (92, 158, 92), (240, 240, 232)),
    "dusk": ((116, 92, 150), (214, 132, 140), (66, 86, 132), (242, 198, 156), (80, 140, 150)),
    "spring": ((236, 144, 150), (148, 196, 130), (250, 224, 140), (126, 176, 212), (186, 150, 196)),
}
PALETTES = tuple(_INKS)


@dataclass(frozen=True)
class Palette:
    """What is painted in which colour."""

    paper: Colour
    ink: Colour
    skins: tuple[Colour, ...]
    hairs: tuple[Colour, ...]
    clothes: tuple[Colour, ...]
    sky: Colour
    ground: Colour
    wall: Colour
    roof: Colour
    leaf: Colour
    water: Colour


def make_palette(colouring: str, name: str, rng: random.Random) -> Palette:
    """Return the palette of a page: greys, or the print colours that `name` stands for."""
    ink = rng.choice(((18, 16, 20), (28, 22, 24), (20, 22, 34), (34, 26, 22)))
    if colouring == "coloured":
        a, b, c, d, e = _INKS[name]
        paper = rng.choice(((252, 250, 244), *_PAPERS[:2]))
        sky = rng.choice(((198, 224, 240), (252, 226, 190), e, paper))
        return Palette(paper, ink, _SKINS, _HAIRS, (a, b, c, d, e), sky, _pale(d), _pale(c), a, d, b)
    paper = rng.choice(_PAPERS) if colouring == "tinted" else (252, 252, 250)
    grey = [_grey(paper, share) for share in (1.0, 0.9, 0.78, 0.66, 0.5, 0.32)]
    hairs = (grey[5], _grey(paper, 0.16), grey[3], grey[2], paper, grey[4])
    clothes = (grey[1], grey[3], grey[4], paper, grey[2])
    return Palette(
        paper,
        ink,
        (paper,),
        hairs,
        clothes,
        rng.choice(grey[:3]),
        grey[1],
        rng.choice(grey[:2]),
        grey[4],
        grey[3],
        grey[2],
    )


def _pale(colour: Colour) -> Colour:
    return tuple(round(c + (255 - c) * 0.45) for c in colour)  # type: ignore[return-value]


def _grey(paper: Colour, share: float) -> Colour:
    return tuple(round(c * share) for c in paper)  # type: ignore[return-value]
