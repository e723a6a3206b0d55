"""A face as an artist draws it: contours, flat colour or paper, tones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops

from kunstkammer.data.drawn.canvas import WHITE, Canvas, Colour, Hand, Point, blend, ellipse
from kunstkammer.data.drawn.faces import contours
from kunstkammer.data.drawn.faces.artists import Artist
from kunstkammer.data.drawn.faces.contours import SIDES
from kunstkammer.data.drawn.faces.hair import back_hair, front_hair
from kunstkammer.data.drawn.faces.person import CLOTHES, Person
from kunstkammer.data.drawn.faces.relief import Pose
from kunstkammer.data.drawn.scan import Scan, scanned
from kunstkammer.data.drawn.tones import Tones

ENLARGED = 1.5
"""An artist draws on a sheet so many times larger than the picture; `Canvas` enlarges it once more."""


def make_sheet_scan(rng: random.Random) -> Scan:
    """Draw by lot how a drawing is scanned: upright, and cleaner than an old comic."""
    return Scan(
        mean=rng.uniform(150, 205),
        spread=rng.uniform(46, 68),
        rotation=0.0,
        blur=rng.uniform(0.05, 0.4),
        grain=rng.uniform(0.5, 3.0),
        lighting=rng.uniform(0.0, 0.08),
        quality=rng.randrange(72, 93),
    )


@dataclass(frozen=True)
class Desk:
    """What drawing one face needs: the sheet, who draws whom, and the tones at hand.

    Attributes:
        px: one 1/192 of the picture's side in pixels of the sheet.
    """

    canvas: Canvas
    artist: Artist
    person: Person
    pose: Pose
    tones: dict[str, Image.Image] | None
    px: float

    def colour(self, natural: Colour) -> Colour:
        """Return how this artist paints a colour: as it is, or as paper."""
        return natural if self.artist.style.coloured else self.artist.paper

    def line(self, points: Sequence[Point], weight: float = 1.0, colour: Colour | None = None) -> None:
        """Draw a line, over and over where the style asks for it. `weight` is its width beside an outline's."""
        style, canvas = self.artist.style, self.canvas
        width = max(0.55 * self.px, self.artist.pen * weight * self.px)
        for k in range(style.strokes):
            if k == 0:
                moved = list(points)
            else:
                dx, dy, grow = (canvas.rng.gauss(0, 0.55 * self.px) for _ in range(3))
                slant = np.linspace(-grow, grow, len(points))
                moved = [(x + dx + s, y + dy - s) for (x, y), s in zip(points, slant, strict=True)]
            canvas.line(moved, width=width * (1.0 if k == 0 else 0.7), colour=colour)

    def shape(
        self, points: Sequence[Point], fill: Colour | None, weight: float = 1.0, line: Colour | None = None
    ) -> None:
        """Fill a closed shape and outline it if the style has outlines."""
        if fill is not None:
            self.canvas.fill(points, fill)
        if self.artist.style.outlines and weight > 0:
            closed = [*points, points[0]]
            if self.canvas.hand.taper < 0.2:
                self.line(closed, weight, line)
                return
            half = len(closed) // 2
            self.line(closed[: half + 2], weight, line)
            self.line(closed[half:], weight, line)

    def paint(self, mask: Image.Image, colour: Colour) -> None:
        """Paint where the mask is white."""
        box = mask.getbbox()
        if box is not None:
            self.canvas.image.paste(colour, box[:2], mask.crop(box))

    def lay(self, mask: Image.Image, tone: str, colour: Colour | None = None) -> None:
        """Lay a tone ("light", "middle" or "dark") where the mask is white."""
        if self.tones is None:
            return
        screen = self.tones[tone].crop((0, 0, *mask.size))
        self.paint(ImageChops.darker(mask, screen), colour or self.artist.ink)


@lru_cache(maxsize=32)
def _tones(kind: str, side: float, spacing: float, angle: float) -> dict[str, Image.Image]:
    """Return the masks of three tones; they depend on the arguments only, so they can be kept."""
    rng = random.Random(f"tones/{kind}/{spacing}/{angle}")
    tones = Tones(kind, side, side, spacing=spacing, angle=angle, rng=rng)
    return {"light": tones.light, "middle": tones.middle, "dark": tones.dark}


def draw_face(pose: Pose, person: Person, artist: Artist, scan: Scan, rng: random.Random, size: int) -> Image.Image:
    """Draw a posed face.

    Args:
        pose: of the face in a picture of ENLARGED x `size` pixels, with the artist's caricature in its shape.
        scan: how the sheet was scanned; without rotation.
        size: of the finished picture in pixels.

    Returns:
        Mode "RGB", (size, size).
    """
    style, px = artist.style, pose.side / 192
    hand = Hand(artist.pen * px, style.taper, style.jitter * px)
    ground = artist.ground if style.coloured else artist.paper
    canvas = Canvas(pose.side, pose.side, paper=ground, ink=artist.ink, hand=hand, rng=rng)
    tones = _tones(style.tone, pose.side, artist.spacing * px, artist.angle) if style.tone else None
    desk = Desk(canvas, artist, person, pose, tones, px)
    _background(desk)
    _behind(desk)
    _head(desk)
    _folds(desk)
    _nose(desk)
    _mouth(desk)
    for side in SIDES:
        _eye(desk, side)
    for side in SIDES:
        _brow(desk, side)
    _hair(desk, front_hair(pose, person, spiky=artist.style.large_eyes))
    _glasses(desk)
    sheet = canvas.finished().resize(
        (size, size), Image.Resampling.BOX if size == pose.side else Image.Resampling.LANCZOS
    )
    return scanned(sheet, scan, paper=artist.paper, seed=rng.getrandbits(63))


def _background(desk: Desk) -> None:
    """Paper, a tone, or a few strokes: the same lots for all emotions."""
    rng, side = desk.canvas.rng, desk.pose.side
    kind = rng.choice(("plain", "tone", "circle"))
    if kind == "tone" and desk.tones is not None:
        desk.lay(Image.new("L", desk.canvas.image.size, 255), "light", blend(desk.artist.ink, desk.artist.paper, 0.4))
    elif kind == "circle":
        share = 0.25 if desk.artist.style.coloured else 0.1
        x, y = desk.pose.middle
        disc = ellipse(float(x), float(y), 0.46 * side, 0.46 * side, n=60)
        desk.canvas.fill(disc, blend(desk.canvas.paper, desk.artist.ink, share))


def _behind(desk: Desk) -> None:
    """Hair behind the head, neck, clothes and ears."""
    pose, person, artist = desk.pose, desk.person, desk.artist
    _hair(desk, back_hair(pose, person), gloss=False)
    desk.shape(contours.neck(pose), desk.colour(person.skin))
    if artist.style.coloured:
        desk.canvas.fill(
            pose.body([(-0.57, 1.2), (0.57, 1.2), (0.5, 1.75), (0.0, 1.95), (-0.5, 1.75)]), _shaded(person.skin)
        )
    elif desk.tones is not None:
        desk.lay(desk.canvas.mask(pose.body([(-0.57, 1.2), (0.57, 1.2), (0.5, 1.8), (-0.5, 1.8)])), "middle")
    cloth = desk.canvas.rng.choice(CLOTHES)
    shoulders = contours.shoulders(pose)
    desk.shape(shoulders, desk.colour(cloth))
    if desk.tones is not None and not artist.style.coloured and desk.canvas.rng.random() < 0.6:
        desk.lay(desk.canvas.mask(shoulders), desk.canvas.rng.choice(("light", "middle", "dark")))
    for side in SIDES:
        desk.shape(contours.ear(pose, person, side), desk.colour(person.skin))
        if person.ear_rings:
            x, y = pose.at([(side * 1.04 * person.width, 0.46)], -0.1)[0]
            desk.shape(ellipse(x, y, 2.2 * desk.px, 2.2 * desk.px, n=10), (240, 214, 120), 0.7)


def _shaded(colour: Colour) -> Colour:
    return blend(colour, (70, 30, 50), 0.28)


def _head(desk: Desk) -> None:
    """The head with the shadow of its side, freckles and a beard."""
    pose, person, artist, canvas = desk.pose, desk.person, desk.artist, desk.canvas
    outline = pose.silhouette
    canvas.fill(outline, desk.colour(person.skin))
    whole = canvas.mask(outline)
    dark_skin = sum(person.skin) < 400
    if desk.tones is not None and not artist.style.coloured and dark_skin:
        desk.lay(whole, "light", blend(artist.ink, artist.paper, 0.62))
    away = 0.34 * pose.unit * artist.light
    lit = canvas.mask([(x - away, y - 0.16 * pose.unit) for x, y in outline])
    shadow = ImageChops.subtract(whole, lit)
    if artist.style.coloured:
        desk.paint(shadow.point(lambda v: v * 0.6), _shaded(person.skin))
    else:
        desk.lay(shadow, "light", blend(artist.ink, artist.paper, 0.0 if artist.style.large_eyes else 0.3))
    if person.beard != "none":
        for shape in contours.beard(pose, person.beard):
            _beard(desk, shape)
    desk.shape(outline, None, 1.15)
    if person.freckles > 0.3:
        spots = random.Random(f"freckles/{person.name}")
        for _ in range(round(16 * person.freckles)):
            x, y = spots.choice(SIDES) * spots.uniform(0.2, 0.65), spots.uniform(0.22, 0.5)
            px, py = pose.at([(x, y)])[0]
            colour = blend(_shaded(desk.colour(person.skin)), artist.ink, 0.2)
            canvas.fill(ellipse(px, py, 0.5 * desk.px, 0.5 * desk.px, n=6), colour)


def _beard(desk: Desk, shape: list[Point]) -> None:
    """A beard: colour, ink or tone; stubble lets the skin through."""
    canvas, artist, person = desk.canvas, desk.artist, desk.person
    mask = canvas.mask(shape)
    if artist.style.coloured:
        share = 0.3 if person.beard == "stubble" else 0.92
        desk.paint(mask.point(lambda v: round(v * share)), person.hair_colour)
    elif desk.tones is not None:
        desk.lay(mask, "light" if person.beard == "stubble" else "dark")
    else:
        grey = blend(artist.paper, artist.ink, 0.12 if person.beard == "stubble" else _darkness(person.hair_colour))
        desk.paint(mask, grey)


def _darkness(colour: Colour) -> float:
    return min(0.85, max(0.15, 1 - sum(colour) / 620))


def _folds(desk: Desk) -> None:
    """Wrinkles as thin lines, deep ones longer and stronger; a simple style leaves out the shallow ones."""
    least = {"manga": 0.4, "flat": 0.35, "cartoon": 0.35}.get(desk.artist.name, 0.25)
    for fold in contours.wrinkles(desk.pose.relief.shape, desk.person):
        if fold.depth < least:
            continue
        points = desk.pose.at(fold.line)
        cut = round(len(points) * 0.4 * (1 - fold.depth))
        points = points[cut // 2 : len(points) - (cut - cut // 2)]
        if len(points) < 2:
            continue
        if desk.artist.style.outlines:
            desk.line(points, 0.45 + 0.4 * fold.depth)
        else:
            desk.line(points, 0.8 + 0.5 * fold.depth, blend(desk.person.skin, (70, 30, 50), 0.25 + 0.25 * fold.depth))


def _nose(desk: Desk) -> None:
    pose, artist = desk.pose, desk.artist
    colour = None if artist.style.outlines else _shaded(desk.person.skin)
    way = 1 if pose.view.yaw >= 0 else -1
    if artist.style.large_eyes:
        x = 0.04 * way
        tip = float(pose.relief.shape.points[30, 1])
        desk.line(pose.at([(x, tip - 0.05), (x + 0.05 * way, tip + 0.03), (x - 0.02 * way, tip + 0.08)]), 0.8)
        return
    profile = contours.nose_profile(pose, way)
    if artist.style.outlines:
        desk.line(profile[3 if abs(pose.view.yaw) > 8 else 7 :], 0.7)
    else:
        desk.canvas.fill(
            [*profile, *contours.nose_profile(pose, -way)[:2:-1][:3], *contours.nose_foot(pose)[8:]],
            blend(desk.person.skin, (70, 30, 50), 0.12),
        )
    for side in SIDES:
        desk.line(contours.nose_wing(pose, side), 0.75, colour)
        desk.canvas.fill(contours.nostril(pose, side), colour or artist.ink)
    desk.line(contours.nose_foot(pose)[4:-4], 0.6, colour)


def _mouth(desk: Desk) -> None:
    """Lips, and what is seen between them: dark, teeth, tongue."""
    pose, artist, canvas = desk.pose, desk.artist, desk.canvas
    outer, inner = contours.lips(pose)
    red = blend(desk.person.skin, (168, 56, 62), 0.5)
    if artist.style.coloured:
        canvas.fill(outer, red)
    elif desk.tones is not None and not artist.style.large_eyes:
        desk.lay(canvas.mask(outer), "light")
    open_by = contours.gape(pose.relief.shape)
    if open_by < 0.035:
        desk.line(contours.mouth_line(pose), 1.25, None if artist.style.outlines else _shaded(red))
        half = len(outer) * 2 // 3
        desk.line(outer[half - 3 : half + 5], 0.6, None if artist.style.outlines else _shaded(red))
        return
    inside = canvas.mask(inner)
    dark = blend((70, 20, 28), artist.ink, 0.3) if artist.style.coloured else artist.ink
    desk.paint(inside, dark)
    upper, lower = contours.teeth(pose)
    shown = canvas.mask(upper)
    if open_by > 0.16 or pose.relief.shape.unit(16) > 0.3:
        shown = ImageChops.lighter(shown, canvas.mask(lower))
    desk.paint(ImageChops.darker(inside, shown), blend(WHITE, artist.paper, 0.5))
    desk.shape(inner, None, 1.0, None)
    if not artist.style.large_eyes:
        desk.shape(outer, None, 0.55)


def _eye(desk: Desk, side: int) -> None:
    pose, artist, canvas, px = desk.pose, desk.artist, desk.canvas, desk.px
    opening = contours.eye_opening(pose, side)
    within = canvas.mask(opening)
    desk.paint(within, blend(WHITE, artist.paper, 0.4))
    x, y, r = contours.iris(pose, side)
    tall = 1.25 if artist.style.large_eyes else 1.0
    ink = artist.ink
    iris = desk.person.iris if artist.style.coloured else blend(ink, artist.paper, 0.12)

    def paint(points: list[Point], colour: Colour) -> None:
        desk.paint(ImageChops.darker(within, canvas.mask(points)), colour)

    paint(ellipse(x, y, r, r * tall), iris)
    if artist.style.large_eyes:
        paint(ellipse(x, y + 0.45 * r, 0.72 * r, 0.7 * r), blend(ink, artist.paper, 0.5))
    paint(ellipse(x, y, 0.52 * r, 0.52 * r * tall), ink)
    glint = 0.36 if artist.style.large_eyes else 0.26
    paint(ellipse(x - 0.35 * r, y - 0.4 * r, glint * r, glint * r, n=10), WHITE)
    upper, lower = opening[: contours.UPPER_LID], opening[contours.UPPER_LID - 1 :]
    heavy = 2.2 if artist.style.large_eyes else 1.35
    lid = None if artist.style.outlines else blend(desk.person.skin, (40, 20, 24), 0.75)
    desk.line(upper, heavy, lid)
    desk.line([*lower[2:-2]], 0.55, lid)
    if artist.style.outlines:
        desk.line(contours.lid_crease(pose, side), 0.5)
    if artist.style.large_eyes or desk.person.hair in {"long", "bob", "bun"}:
        ox, oy = upper[0]
        desk.line([(ox, oy), (ox + side * 3.2 * px, oy - 2.4 * px)], 1.0, lid)


def _brow(desk: Desk, side: int) -> None:
    pose, artist, person = desk.pose, desk.artist, desk.person
    shape = contours.brow(pose, person, side, 0.75 if artist.style.large_eyes else 1.0)
    if artist.style.coloured:
        desk.canvas.fill(shape, blend(person.hair_colour, (40, 26, 24), 0.45))
        return
    if artist.style.strokes > 1 or artist.name == "hatched":
        count = len(shape) // 2
        for k in range(0, count - 1, 1):
            a, b = shape[k], shape[-1 - k]
            lean = (b[0] - a[0], b[1] - a[1])
            desk.canvas.line([(b[0], b[1]), (a[0] + 0.5 * lean[1] * side, a[1])], width=0.8 * desk.px, taper=0)
        desk.canvas.fill(shape, blend(artist.ink, artist.paper, 0.25 if artist.style.strokes > 1 else 0.1))
        return
    desk.canvas.fill(shape, artist.ink)


def _hair(desk: Desk, shapes: list[list[Point]], *, gloss: bool = True) -> None:
    """Hair: painted, filled with ink, toned or left white by its colour; strands run down from the crown."""
    artist, canvas, person = desk.artist, desk.canvas, desk.person
    for shape in shapes:
        mask = canvas.mask(shape)
        depth = _darkness(person.hair_colour)
        if artist.style.coloured:
            fill = blend(person.hair_colour, (30, 20, 40), 0.0 if gloss else 0.3)
        elif artist.style.black_hair and depth > 0.4:
            fill = artist.ink
        else:
            fill = artist.paper
        desk.shape(shape, fill)
        if not artist.style.coloured and fill == artist.paper:
            if desk.tones is not None:
                desk.lay(mask, "dark" if depth > 0.6 else "middle" if depth > 0.35 else "light")
            elif artist.name == "ink":
                desk.paint(mask, blend(artist.paper, artist.ink, 0.75 * depth))
                desk.shape(shape, None)
        _strands(desk, mask, fill, gloss=gloss)


def _strands(desk: Desk, mask: Image.Image, fill: Colour, *, gloss: bool) -> None:
    """A few lines from the crown outwards, cut to the hair."""
    canvas, pose = desk.canvas, desk.pose
    dark = sum(fill) < 200
    colour = (
        blend(fill, WHITE, 0.45) if dark else blend(fill, desk.artist.ink, 0.35 if desk.artist.style.coloured else 0.8)
    )
    box = mask.getbbox()
    if box is None:
        return
    before = canvas.image.copy()
    crown = (0.1 * desk.artist.light, -1.62 * desk.person.forehead)
    for k in range(9 if gloss else 12):
        x = -1.15 + 2.3 * k / (8 if gloss else 11) + canvas.rng.uniform(-0.08, 0.08)
        far = (x * 1.05, -0.15 if gloss else 1.6)
        knee = (x * 0.95, -1.1 + 0.25 * abs(x))
        near = (crown[0] + 0.45 * (knee[0] - crown[0]), crown[1] + 0.3 * (knee[1] - crown[1]))
        desk.line(
            pose.at([near, knee, ((knee[0] + far[0]) / 2 * 1.05, (knee[1] + far[1]) / 2), far], -0.1), 0.6, colour
        )
    hair = canvas.image.crop(box)
    canvas.image.paste(before, (0, 0))
    canvas.image.paste(hair, box[:2], mask.crop(box))


def _glasses(desk: Desk) -> None:
    if desk.person.glasses == "none":
        return
    first, second, *rest = contours.glasses(desk.pose, desk.person.glasses)
    frame = (40, 36, 44) if not desk.artist.style.outlines else None
    for rim in (first, second):
        desk.line([*rim, rim[0]], 1.1, frame)
    for line in rest:
        desk.line(line, 1.1, frame)
