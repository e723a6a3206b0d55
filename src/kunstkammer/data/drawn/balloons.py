"""What is said and heard: balloons in rows or columns, caption boxes, sound words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kunstkammer.data.drawn.canvas import WHITE, Box, Canvas, Point, ellipse
from kunstkammer.data.drawn.letters import BANGS, ECHOES, Type, columns_of, rows_of, speech
from kunstkammer.data.drawn.palette import Palette
from kunstkammer.data.drawn.style import Manner

COLUMN_STEP = 1.32
ROW_STEP = 1.5


def balloon(
    canvas: Canvas, manner: Manner, *, size: float, room: float, speaker: Point | None, side: int, loud: bool
) -> Box:
    """Draw a balloon in the upper part of a panel and return its box.

    Args:
        canvas: the panel.
        manner: rows in a wide balloon, columns in a tall one, or neither: a round balloon with a mark.
        size: height of a letter in pixels.
        room: area of the balloon in square pixels, about; both kinds get the same.
        speaker: where its tail points; None for a voice from nowhere.
        side: -1 for the left upper corner, 1 for the right one.
        loud: a burst of spikes instead of an oval.
    """
    letter = Type(size, max(0.7, size * 0.15), canvas.ink)
    text = _words(canvas, manner, letter, room)
    rx, ry = _radii(canvas, manner, letter, text, room)
    # not always in the very corner: tall and wide balloons would brighten other parts of every page
    inward = canvas.rng.uniform(0, 0.1) * canvas.width
    reach = max(0.0, canvas.width / 2 - rx - 3)
    middle = (canvas.width / 2 + side * max(reach - inward, 0.0), ry + 3)
    outline = _burst(canvas, middle, rx, ry) if loud else _oval(middle, rx, ry, manner)
    tail = [] if speaker is None else _tail(middle, rx, ry, speaker)
    if tail:
        canvas.shape(tail, WHITE)
    canvas.shape(outline, WHITE)
    if tail:  # open the outline where the tail leaves the balloon
        canvas.fill([_between(p, middle, 0.12) for p in tail], WHITE)
    _write(canvas, manner, letter, text, middle)
    x, y = middle
    return x - rx, y - ry, x + rx, y + ry


def _words(canvas: Canvas, manner: Manner, letter: Type, room: float) -> list[str]:
    """Return lines that fill about half of the room and fit the panel."""
    rng, size = canvas.rng, letter.height
    letters = max(4, int(room * 0.5 / (size * size * 1.3)))
    if manner == "comic":
        wide = max(6, min(round(math.sqrt(letters * 4.0)), int(canvas.width * 0.72 / letter.step)))
        return rows_of(speech(rng, letters + 3), wide)
    if manner == "manga":
        most = max(3, int(canvas.height * 0.46 / letter.leading))
        tall = max(3, min(round(math.sqrt(letters * 3.2)), most))
        columns = max(1, min(round(letters * 0.9 / tall), 3, int(canvas.width * 0.3 / (size * COLUMN_STEP))))
        return columns_of(rng, columns * tall - rng.randrange(min(3, tall - 1)), tall)
    return [rng.choice(("!", "?", "...", "!?"))]


def _radii(canvas: Canvas, manner: Manner, letter: Type, text: Sequence[str], room: float) -> tuple[float, float]:
    """Return half width and half height of the oval around the lines."""
    size, longest = letter.height, max(map(len, text))
    if manner == "comic":
        rx, ry = longest * letter.step * 0.6 + size * 0.7, len(text) * size * ROW_STEP * 0.62 + size * 0.5
    elif manner == "manga":
        rx, ry = len(text) * size * COLUMN_STEP * 0.6 + size * 0.7, longest * letter.leading * 0.58 + size * 0.7
    else:
        rx = ry = math.sqrt(room / math.pi) * canvas.rng.uniform(0.85, 1.0)
    return min(rx, canvas.width * 0.48), min(ry, canvas.height * 0.46)


def _write(canvas: Canvas, manner: Manner, letter: Type, text: Sequence[str], middle: Point) -> None:
    x, y = middle
    if manner == "manga":
        step = letter.height * COLUMN_STEP
        right = x + (len(text) - 1) * step / 2 - letter.height * 0.45
        top = y - max(map(len, text)) * letter.leading / 2
        for i, column in enumerate(text):
            letter.column(canvas, column, right - i * step, top)
    elif manner == "comic":
        step = letter.height * ROW_STEP
        for i, row in enumerate(text):
            level = y - letter.height / 2 + (i - (len(text) - 1) / 2) * step
            letter.row(canvas, row, x - len(row) * letter.step / 2, level)
    else:
        big = Type(letter.height * 1.7, letter.pen * 1.9, letter.colour)
        big.row(canvas, text[0], x - len(text[0]) * big.step / 2, y - big.height / 2)


def _oval(middle: Point, rx: float, ry: float, manner: Manner) -> list[Point]:
    """An oval; the one around rows is squarer."""
    power = 0.78 if manner == "comic" else 0.88

    def bulged(value: float) -> float:
        return math.copysign(abs(value) ** power, value)

    return [(middle[0] + bulged(px) * rx, middle[1] + bulged(py) * ry) for px, py in ellipse(0, 0, 1, 1, n=36)]


def _burst(canvas: Canvas, middle: Point, rx: float, ry: float) -> list[Point]:
    points = []
    for i in range(30):
        angle, out = 2 * math.pi * i / 30, canvas.rng.uniform(1.1, 1.26) if i % 2 else 0.98
        points.append((middle[0] + math.cos(angle) * rx * out, middle[1] + math.sin(angle) * ry * out))
    return points


def _tail(middle: Point, rx: float, ry: float, speaker: Point) -> list[Point]:
    """A triangle from inside the oval toward the speaker, at most a dozen pixels long."""
    x, y = middle
    angle = math.atan2((speaker[1] - y) / ry, (speaker[0] - x) / rx)
    dx, dy = math.cos(angle) * rx, math.sin(angle) * ry
    reach = 1 + 12 / max(12.0, math.hypot(dx, dy))
    feet = [(x + 0.85 * rx * math.cos(angle + t), y + 0.85 * ry * math.sin(angle + t)) for t in (-0.25, 0.25)]
    return [feet[0], (x + reach * dx, y + reach * dy), feet[1]]


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def caption(canvas: Canvas, palette: Palette, *, size: float) -> Box:
    """Draw a box with the storyteller's words, in rows, in any corner and return its box."""
    letter = Type(size, max(0.7, size * 0.15), canvas.ink)
    text = rows_of(speech(canvas.rng, 18), max(4, int(canvas.width * 0.8 / letter.step)))
    wide, tall = max(map(len, text)) * letter.step + size * 0.9, len(text) * size * ROW_STEP + size * 0.5
    x = canvas.rng.choice((2.0, max(2.0, canvas.width - wide - 2)))
    y = canvas.rng.choice((2.0, 2.0, max(2.0, canvas.height - tall - 2)))
    canvas.shape([(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)], palette.paper)
    for i, row in enumerate(text):
        letter.row(canvas, row, x + size * 0.5, y + size * (0.5 + ROW_STEP * i))
    return x, y, x + wide, y + tall


def sound(canvas: Canvas, manner: Manner, palette: Palette, *, tall: float) -> None:
    """Draw a big sound word: bold capitals that rise along its foot or top, or katakana down one side."""
    rng, w, h = canvas.rng, canvas.width, canvas.height
    colour = rng.choice((WHITE, WHITE, palette.clothes[0]))
    if manner == "comic":
        word = rng.choice(BANGS)
        tall = min(tall, w * 0.8 / (len(word) * 0.86))
        level = h * 0.96 - tall * 1.1 if rng.random() < 0.7 else tall * 0.12 * len(word)
        x, y, dx, dy = w / 2 - len(word) * tall * 0.43, level, tall * 0.86, -0.1 * tall
    else:
        word = rng.choice(ECHOES)
        tall = min(tall * 1.15, w * 0.26, h * 0.86 / (len(word) * 1.16))
        side = tall * 0.35 if rng.random() < 0.5 else w - tall * 1.3
        x, y, dx, dy = side, h * 0.94 - len(word) * tall * 1.16, 0.0, tall * 1.16
    for pen, ink in ((0.36 * tall, canvas.ink), (0.17 * tall, colour)):
        letter = Type(tall, pen, ink, lean=0.12)
        for i, sign in enumerate(word):
            letter.letter(canvas, sign, x + i * dx, y + i * dy)
