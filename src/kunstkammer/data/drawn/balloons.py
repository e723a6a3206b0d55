"""What is said and heard: balloons in rows or columns, caption boxes, sound words."""

from __future__ import annotations

import math

from kunstkammer.data.drawn.canvas import Box, Canvas, Point, ellipse
from kunstkammer.data.drawn.letters import (
    BANGS,
    ECHOES,
    columns_of,
    row_step,
    rows_of,
    speech,
    write_column,
    write_letter,
    write_row,
)  # fmt: skip
from kunstkammer.data.drawn.palette import Palette
from kunstkammer.data.drawn.style import Manner

COLUMN_STEP = 1.22


def balloon(
    canvas: Canvas, manner: Manner, *, size: float, room: float, speaker: Point | None, side: int, loud: bool
) -> Box:
    """Draw a balloon in the upper part of a panel and return its box.

    Args:
        manner: rows in a wide balloon, columns in a tall one, or neither: a round balloon with a mark.
        size: height of a letter in pixels.
        room: area of the balloon in square pixels, about; both kinds get the same.
        speaker: where its tail points.
        side: -1 for the left upper corner, 1 for the right one.
        loud: a burst of spikes instead of an oval.
    """
    rx, ry, text = _measure(canvas, manner, size, room)
    rx, ry = min(rx, canvas.width * 0.48), min(ry, canvas.height * 0.46)
    x = canvas.width / 2 + side * (canvas.width / 2 - rx - 2)
    y = ry + 2
    outline = _burst(canvas, x, y, rx, ry) if loud else _oval(x, y, rx, ry, manner)
    if speaker is not None:
        _tail(canvas, x, y, rx, ry, speaker)
    canvas.shape(outline, (255, 255, 255))
    if speaker is not None:
        _tail(canvas, x, y, rx, ry, speaker, outline=False)
    _write(canvas, manner, text, x, y, size)
    return x - rx, y - ry, x + rx, y + ry


def _measure(canvas: Canvas, manner: Manner, size: float, room: float) -> tuple[float, float, list[str]]:
    """Return half width, half height and lines so that the oval covers about `room`."""
    rng = canvas.rng
    letters = max(4, int(room * 0.5 / (size * size * 1.3)))
    if manner == "comic":
        wide = max(6, round(math.sqrt(letters * 3.2)))
        wide = min(wide, int(canvas.width * 0.8 / row_step(size)))
        text = rows_of(speech(rng, letters + 3), wide)
        block_wide, block_tall = max(map(len, text)) * row_step(size), len(text) * size * 1.5
    elif manner == "manga":
        tall = max(3, min(round(math.sqrt(letters * 2.6)), int(canvas.height * 0.36 / (size * 1.14))))
        text = columns_of(rng, max(3, letters - rng.randrange(3)), tall)[:4]
        block_wide, block_tall = len(text) * size * COLUMN_STEP, max(map(len, text)) * size * 1.14
    else:
        text = [rng.choice(("!", "?", "...", "!?"))]
        side = math.sqrt(room / math.pi)
        return side * rng.uniform(0.9, 1.1), side * rng.uniform(0.9, 1.1), text
    return block_wide * 0.62 + size * 0.6, block_tall * 0.62 + size * 0.6, text


def _write(canvas: Canvas, manner: Manner, text: list[str], x: float, y: float, size: float) -> None:
    pen = max(0.7, size * 0.13)
    if manner == "manga":
        right = x + (len(text) * COLUMN_STEP * size) / 2 - size * (COLUMN_STEP + 1) / 2 + 0.05 * size
        tall = max(map(len, text)) * size * 1.14
        for i, column in enumerate(text):
            write_column(canvas, column, right - i * size * COLUMN_STEP, y - tall / 2, size, pen=pen)
    elif manner == "comic":
        top = y - len(text) * size * 0.75 + size * 0.25
        for i, row in enumerate(text):
            write_row(canvas, row, x - len(row) * row_step(size) / 2, top + i * size * 1.5, size, pen=pen)
    else:
        big = size * 1.7
        write_row(canvas, text[0], x - len(text[0]) * row_step(big) / 2, y - big / 2, big, pen=pen * 1.7)


def _oval(x: float, y: float, rx: float, ry: float, manner: Manner) -> list[Point]:
    """An oval; that of rows is squarer."""
    power = 0.78 if manner == "comic" else 0.9
    points = []
    for px, py in ellipse(0, 0, 1, 1, n=36):
        points.append((x + math.copysign(abs(px) ** power, px) * rx, y + math.copysign(abs(py) ** power, py) * ry))
    return points


def _burst(canvas: Canvas, x: float, y: float, rx: float, ry: float) -> list[Point]:
    points = []
    for i in range(30):
        angle, out = 2 * math.pi * i / 30, canvas.rng.uniform(1.08, 1.22) if i % 2 else 0.96
        points.append((x + math.cos(angle) * rx * out, y + math.sin(angle) * ry * out))
    return points


def _tail(canvas: Canvas, x: float, y: float, rx: float, ry: float, speaker: Point, *, outline: bool = True) -> None:
    angle = math.atan2((speaker[1] - y) / ry, (speaker[0] - x) / rx)
    tip = (x + 1.42 * rx * math.cos(angle), y + min(1.42 * ry, ry + 11) * math.sin(angle))
    inner = 0.8 if outline else 0.72
    feet = [
        (x + inner * rx * math.cos(angle + turn), y + inner * ry * math.sin(angle + turn)) for turn in (-0.28, 0.28)
    ]
    if outline:
        canvas.shape([feet[0], tip, feet[1]], (255, 255, 255))
    else:
        canvas.fill([feet[0], (tip[0] * 0.85 + x * 0.15, tip[1] * 0.85 + y * 0.15), feet[1]], (255, 255, 255))


def caption(canvas: Canvas, manner: Manner, palette: Palette, *, size: float) -> Box:
    """Draw a box with the storyteller's words in an upper corner and return its box."""
    rng, pen = canvas.rng, max(0.7, size * 0.13)
    if manner == "manga":
        text = columns_of(rng, rng.randrange(4, 7), 6)
        wide, tall = len(text) * size * COLUMN_STEP + size * 0.6, max(map(len, text)) * size * 1.14 + size * 0.6
        x0, y0 = canvas.width - wide - 2, 2.0
        write = lambda: write_column(canvas, text[0], x0 + size * 0.4, y0 + size * 0.4, size, pen=pen)  # noqa: E731
    else:
        text = rows_of(speech(rng, 16), int(canvas.width * 0.75 / row_step(size)))
        wide, tall = max(map(len, text)) * row_step(size) + size, len(text) * size * 1.5 + size * 0.4
        x0, y0 = 2.0, 2.0

        def write() -> None:
            for i, row in enumerate(text):
                write_row(canvas, row, x0 + size * 0.5, y0 + size * (0.45 + 1.5 * i), size, pen=pen)

    canvas.shape([(x0, y0), (x0 + wide, y0), (x0 + wide, y0 + tall), (x0, y0 + tall)], palette.paper)
    write()
    return x0, y0, x0 + wide, y0 + tall


def sound(canvas: Canvas, manner: Manner, palette: Palette, *, tall: float) -> None:
    """Draw a big sound word over the lower part of the panel: bold capitals in a rising row, or katakana falling."""
    rng = canvas.rng
    colour = rng.choice(((255, 255, 255), canvas.ink, palette.clothes[0]))
    if manner == "comic":
        word = rng.choice(BANGS)
        tall = min(tall, canvas.width * 0.8 / (len(word) * row_step(1)))
        x, y = canvas.width * 0.5 - len(word) * row_step(tall) / 2, canvas.height * 0.94 - tall * 1.3
        rise, step, down = -0.14, row_step(tall), 0.0
    else:
        word = rng.choice(ECHOES)
        tall = min(tall, canvas.height * 0.8 / len(word))
        x = tall * 0.3 if rng.random() < 0.5 else canvas.width - tall * 1.3
        y = canvas.height * 0.94 - len(word) * tall * 1.05
        rise, step, down = 0.0, 0.0, tall * 1.05
    for pen, ink in ((0.44 * tall, canvas.ink), (0.25 * tall, _against(canvas, colour))):
        for i, letter in enumerate(word):
            write_letter(
                canvas, letter, x + i * step, y + i * (down + rise * tall), tall * 0.62, tall * 0.85, pen, ink, 0.12
            )


def _against(canvas: Canvas, colour: tuple[int, int, int]) -> tuple[int, int, int]:
    return (255, 255, 255) if colour == canvas.ink else colour
