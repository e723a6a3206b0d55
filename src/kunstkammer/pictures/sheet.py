"""Pictures with captions, side by side, and on sheets: what figures and reports are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

INK, PAPER = (26, 26, 30), (255, 255, 255)
GOOD, BAD = (16, 124, 65), (190, 30, 45)
NARROWEST = 96
MOST_LINES = 4


def caption(image: Image.Image, text: str, *, good: bool | None = None) -> Image.Image:
    """Put a strip of text under a picture, wrapped to its width, at most four lines.

    Args:
        image: any mode; one narrower than 96 pixels is set in the middle of a wider strip that can hold text.
        text: any; new lines are kept.
        good: True adds a green tick, False a red cross (told apart by shape, not by colour alone).

    Returns:
        An RGB image, higher than `image` by the strip.
    """
    width = max(image.width, NARROWEST)
    strip = _strip(text, width, good)
    result = Image.new("RGB", (width, image.height + strip.height), PAPER)
    result.paste(image.convert("RGB"), ((width - image.width) // 2, 0))
    result.paste(strip, (0, image.height))
    return result


def _strip(text: str, width: int, good: bool | None = None) -> Image.Image:
    """Draw text on a strip of `width` pixels, wrapped, with a mark where `good` is given."""
    size = max(11, min(30, round(width / 22)))
    font = _font(size)
    pad = max(3, size // 3)
    mark = 0 if good is None else size + pad
    lines = _wrap(text, font, width - 2 * pad - mark)
    step = round(size * 1.35)
    strip = Image.new("RGB", (width, step * len(lines) + 2 * pad), PAPER)
    pen = ImageDraw.Draw(strip)
    if good is not None:
        _draw_mark(strip, (pad, pad + (step - size) // 2), size, good)
    for number, line in enumerate(lines):
        pen.text((pad + mark, pad + number * step + step // 2), line, fill=INK, font=font, anchor="lm")
    return strip


def side_by_side(images: Sequence[Image.Image], *, gap: int = 8, height: int | None = None) -> Image.Image:
    """Set pictures in a row on white, `gap` pixels apart, their tops in one line; with `height` all scaled to that."""
    if not images:
        raise ValueError("There is no picture to set side by side.")
    row = [image.convert("RGB") for image in images]
    if height is not None:
        row = [_to_height(image, height) for image in row]
    size = (sum(image.width for image in row) + gap * (len(row) - 1), max(image.height for image in row))
    result = Image.new("RGB", size, PAPER)
    left = 0
    for image in row:
        result.paste(image, (left, 0))
        left += image.width + gap
    return result


def contact_sheet(
    images: Sequence[Image.Image],
    columns: int,
    captions: Sequence[str] | None = None,
    *,
    goods: Sequence[bool | None] | None = None,
    cell: int = 256,
    gap: int = 10,
) -> Image.Image:
    """Set pictures on a sheet of `columns`, each scaled into a square of `cell` pixels, with captions and marks."""
    if not images or columns < 1:
        raise ValueError("A contact sheet needs at least one picture and one column.")
    for name, given in (("captions", captions), ("goods", goods)):
        if given is not None and len(given) != len(images):
            raise ValueError(f"There are {len(images)} pictures, but {len(given)} {name}.")
    cells = []
    for index, image in enumerate(images):
        tile = _in_square(image.convert("RGB"), cell)
        if captions is not None or goods is not None:
            tile = caption(tile, captions[index] if captions else "", good=goods[index] if goods else None)
        cells.append(tile)
    columns = min(columns, len(cells))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    across = max(tile.width for tile in cells)
    size = (columns * across + (columns + 1) * gap, sum(heights) + (len(rows) + 1) * gap)
    sheet = Image.new("RGB", size, PAPER)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for place, tile in enumerate(row):
            sheet.paste(tile, (gap + place * (across + gap), top))
        top += height + gap
    return sheet


def headed_table(
    rows: Sequence[Sequence[Image.Image]],
    heads: Sequence[str],
    captions: Sequence[str] | None = None,
    *,
    cell: int = 256,
    gap: int = 10,
) -> Image.Image:
    """Set rows of pictures under heads, each picture scaled into `cell` pixels across; a caption under each first one.

    Raises `ValueError` where a row has not one picture for each head, or a caption is missing.
    """
    if not rows or not heads or any(len(row) != len(heads) for row in rows):
        raise ValueError(f"Every row needs a picture for each of the {len(heads)} heads, and there must be one.")
    if captions is not None and len(captions) != len(rows):
        raise ValueError(f"There are {len(rows)} rows, but {len(captions)} captions.")
    width = max(cell, NARROWEST)
    strips = [_strip(head, width) for head in heads]
    tiles = [[_within_cell(image.convert("RGB"), cell) for image in row] for row in rows]
    for line, text in zip(tiles, captions or [], strict=False):
        line[0] = caption(line[0], text)
    heights = [max(tile.height for tile in line) for line in tiles]
    top = max(strip.height for strip in strips) + gap
    sheet = Image.new("RGB", (gap + len(heads) * (width + gap), top + sum(heights) + gap * len(rows)), PAPER)
    for place, strip in enumerate(strips):  # heads stand on the pictures, not on the upper edge
        sheet.paste(strip, (gap + place * (width + gap), top - strip.height))
    for line, height in zip(tiles, heights, strict=True):
        for place, tile in enumerate(line):
            sheet.paste(tile, (gap + place * (width + gap) + (width - tile.width) // 2, top))
        top += height + gap
    return sheet


def _to_height(image: Image.Image, height: int) -> Image.Image:
    if image.height == height:
        return image
    return image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)


def _within_cell(image: Image.Image, side: int) -> Image.Image:
    """Scale to `side` pixels at the longer side; small pictures are enlarged without smoothing, their pixels seen."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS)


def _in_square(image: Image.Image, side: int) -> Image.Image:
    """Scale into a white square, see `_within_cell`."""
    inner = _within_cell(image, side)
    square = Image.new("RGB", (side, side), PAPER)
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return square


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # DejaVu Sans comes with matplotlib and knows the letters of all European languages.
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _draw_mark(image: Image.Image, place: tuple[int, int], size: int, good: bool) -> None:
    fine = 4
    mask = Image.new("L", (size * fine, size * fine))
    pen = ImageDraw.Draw(mask)
    strokes = (
        [[(0.12, 0.55), (0.4, 0.85), (0.9, 0.15)]]
        if good
        else [[(0.15, 0.15), (0.85, 0.85)], [(0.85, 0.15), (0.15, 0.85)]]
    )
    for stroke in strokes:
        pen.line(
            [(x * size * fine, y * size * fine) for x, y in stroke], fill=255, width=size * fine // 6, joint="curve"
        )
    image.paste(GOOD if good else BAD, place, mask.resize((size, size), Image.Resampling.BOX))


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break text into at most `MOST_LINES` lines of `width` pixels; an ellipsis stands for what is left out."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}".lstrip()
            if font.getlength(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            line = word
            while font.getlength(line) > width and len(line) > 1:
                cut = _longest(line, font, width)
                lines.append(line[:cut])
                line = line[cut:]
        lines.append(line)
    if len(lines) > MOST_LINES:
        last = lines[MOST_LINES - 1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines = [*lines[: MOST_LINES - 1], last + "…"]
    return lines


def _longest(word: str, font: ImageFont.FreeTypeFont, width: int) -> int:
    """Return how many letters of a word fit into `width`, at least one."""
    return next((n for n in range(len(word) - 1, 1, -1) if font.getlength(word[:n]) <= width), 1)
