"""Who is drawn: a person, the same in every picture, and how one picture catches them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from kunstkammer.data.drawn.canvas import Colour, blend

HAIR_STYLES = ("bald", "short", "side", "curly", "bob", "long", "bun", "fringe")
GLASSES = ("none", "round", "square")
BEARDS = ("none", "stubble", "moustache", "full")

SKINS: tuple[Colour, ...] = (
    (242, 206, 184), (232, 190, 162), (218, 172, 140), (196, 146, 112), (164, 114, 84), (126, 84, 62), (92, 62, 48),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (32, 26, 26), (58, 40, 32), (92, 62, 42), (132, 90, 54), (190, 150, 92), (150, 74, 42), (150, 148, 146),
    (214, 210, 204),
)  # fmt: skip
IRISES: tuple[Colour, ...] = ((74, 48, 30), (98, 66, 38), (86, 106, 70), (88, 122, 150), (104, 112, 116))
CLOTHES: tuple[Colour, ...] = (
    (62, 84, 120), (134, 52, 50), (72, 98, 76), (190, 170, 130), (52, 54, 62), (214, 212, 208), (120, 92, 126),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """What stays the same in all pictures of one person.

    Lengths are factors beside an average face unless a unit is given; the unit of length is half the width of an
    average face at the cheekbones.
    """

    name: str
    skin: Colour
    hair_colour: Colour
    iris: Colour
    hair: str
    beard: str
    glasses: str
    ear_rings: bool
    freckles: float  # 0 none to 1 many
    age: float  # 0 about twenty to 1 about eighty
    width: float
    jaw: float
    chin: float
    forehead: float
    eye_size: float
    eye_gap: float
    eye_tilt: float  # rise of the outer corner, in units
    brow_height: float
    brow_thick: float
    brow_slope: float  # rise of the outer end, in units: resting faces differ
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_thick: float
    mouth_bend: float  # rise of the corners at rest, in units
    vivid: float  # how expressive, 0 to 1


def make_person(name: str, rng: random.Random) -> Person:
    """Invent a person by lot."""

    def about(mean: float, spread: float) -> float:
        return mean + spread * max(-2.0, min(2.0, rng.gauss(0, 1)))

    age = rng.betavariate(1.3, 1.9)
    first, second = rng.sample(SKINS, 2)
    skin = blend(first, second, 0.25)
    hair = rng.choice(HAIR_STYLES)
    colour = rng.choice(HAIRS[: 3 if sum(skin) < 450 else 6])
    if age > 0.45:
        colour = blend(colour, rng.choice(HAIRS[6:]), min(1.0, (age - 0.45) * rng.uniform(0.5, 2.6)))
    bearded = hair in {"bald", "short", "side", "curly"}
    return Person(
        name=name,
        skin=skin,
        hair_colour=colour,
        iris=rng.choice(IRISES if sum(skin) > 460 else IRISES[:2]),
        hair=hair,
        beard=rng.choices(BEARDS, (0.52, 0.2, 0.1, 0.18))[0] if bearded else "none",
        glasses=rng.choices(GLASSES, (0.76, 0.12, 0.12))[0],
        ear_rings=not bearded and rng.random() < 0.4,
        freckles=max(0.0, rng.uniform(-1.5, 1)),
        age=age,
        width=about(1.0, 0.04),
        jaw=about(1.0, 0.06),
        chin=about(1.0, 0.05),
        forehead=about(1.0, 0.04),
        eye_size=about(1.0, 0.07),
        eye_gap=about(1.0, 0.05),
        eye_tilt=about(0.015, 0.018),
        brow_height=about(0.0, 0.025),
        brow_thick=about(1.0, 0.22),
        brow_slope=about(0.0, 0.022),
        nose_length=about(1.0, 0.07),
        nose_width=about(1.0, 0.1),
        mouth_width=about(1.0, 0.08),
        lip_thick=about(1.0, 0.2),
        mouth_bend=about(0.0, 0.012),
        vivid=rng.random(),
    )


@dataclass(frozen=True)
class View:
    """How one picture catches a face: both its photograph and its drawing.

    Attributes:
        yaw, pitch, roll: of the head in degrees; positive yaw turns it to the picture's right, positive pitch lowers
            the chin, positive roll turns it clockwise.
        x, y: middle of the head as shares of the picture's side.
        scale: half the width of an average face as a share of the picture's side.
        gaze: where the eyes look, -1 to 1 across and down.
    """

    yaw: float
    pitch: float
    roll: float
    x: float
    y: float
    scale: float
    gaze: tuple[float, float]


def make_view(rng: random.Random) -> View:
    """Draw a moderate pose and a framing by lot."""
    return View(
        yaw=max(-24.0, min(24.0, rng.gauss(0, 10))),
        pitch=max(-12.0, min(12.0, rng.gauss(0, 5))),
        roll=max(-16.0, min(16.0, rng.gauss(0, 5))),
        x=rng.uniform(0.47, 0.53),
        y=rng.uniform(0.47, 0.52),
        scale=rng.uniform(0.225, 0.262),
        gaze=(max(-0.8, min(0.8, rng.gauss(0, 0.3))), max(-0.5, min(0.5, rng.gauss(0, 0.2)))),
    )
