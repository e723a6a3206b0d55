"""Pages of comics and manga, drawn offline, with known truth: `kunstkammer draw comics`.

Both kinds share what a lazy model would look at: subjects, layouts, sizes, number of panels, colours, exposure, paper,
scan and compression come from the same lots, and page k of both kinds tells the same script. They differ in drawing
style alone, and in no mark of it reliably (see `style.CUES`).
"""

from __future__ import annotations

import io
import math
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from kunstkammer.data.drawn.album import Drawing, Order, draw_album, plan
from kunstkammer.data.drawn.canvas import Box, Canvas, Hand, bounds
from kunstkammer.data.drawn.heads import make_look
from kunstkammer.data.drawn.layout import LAYOUTS, divide
from kunstkammer.data.drawn.palette import COLOURINGS, PALETTES, make_palette
from kunstkammer.data.drawn.panels import SUBJECTS, Found, Page, draw_panel
from kunstkammer.data.drawn.scan import Scan, draw_scan, scanned
from kunstkammer.data.drawn.style import BANDS, CUES, KINDS, Artist, artists, manners
from kunstkammer.data.drawn.tones import Tones
from kunstkammer.errors import DataError
from kunstkammer.registry import register

SIZE = (330, 264)
"""Height and width of a page in pixels; pages differ by about a tenth from it."""

_TONES = {"comic": "hatch", "manga": "dots", "neither": "tint"}


@dataclass(frozen=True)
class Script:
    """What a page tells and on what sheet, before anybody has drawn it; the same for both kinds. Lengths in pixels."""

    width: int
    height: int
    subject: str
    layout: str
    shots: tuple[str, ...]
    colouring: str
    palette: str
    margins: tuple[float, float, float, float]  # left, top, right, foot
    gutter: float


def make_script(rng: random.Random, size: tuple[int, int]) -> Script:
    """Invent a script: at least one head from near and one panel that speaks."""
    height = round(size[0] * rng.uniform(0.92, 1.05))
    width = round(size[1] * rng.uniform(0.92, 1.08))
    layout = rng.choice(tuple(LAYOUTS))
    number = sum(len(row) for row in LAYOUTS[layout])
    shots = [rng.choice(("portrait", "pair")), rng.choice(("action", "portrait"))]
    shots += rng.choices(("figure", "place", "vehicle", "pair", "portrait"), k=number - len(shots))
    rng.shuffle(shots)
    left, top, right, foot = (rng.uniform(0.015, 0.08) * width for _ in range(4))
    return Script(
        width, height, rng.choice(SUBJECTS), layout, tuple(shots), rng.choices(COLOURINGS, (0.5, 0.2, 0.3))[0],
        rng.choice(PALETTES), (left, top, right, foot), rng.uniform(0.014, 0.028) * width,
    )  # fmt: skip


def draw_page(order: Order, size: tuple[int, int]) -> Drawing:
    """Draw one page; pure in its arguments."""
    script = make_script(random.Random(f"script/{order.seed}/{order.split}/{order.number}"), size)
    rng = random.Random(f"page/{order.seed}/{order.file_name}")
    people = artists(order.label, order.split, order.seed)  # type: ignore[arg-type]
    artist = people[(order.number - 1) % len(people)]
    page = _set_up(script, artist, rng)
    sheet, found = _draw_sheet(script, page)
    scan = draw_scan(rng)
    picture = scanned(sheet, scan, paper=page.palette.paper, seed=rng.getrandbits(63))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=scan.quality)
    objects = [(thing.name, _turned(thing.box, scan.rotation, picture.size)) for thing in found]
    return Drawing(data.getvalue(), _row(script, page, scan), objects, picture.size)


def _set_up(script: Script, artist: Artist, rng: random.Random) -> Page:
    how = manners(artist.kind, rng)
    palette = make_palette(script.colouring, script.palette, rng)
    tones = Tones(
        _TONES[how["tone"]], script.width, script.height, spacing=artist["spacing"], angle=artist["angle"], rng=rng
    )
    cast = [make_look(rng, palette, how, artist["eye"], artist["jaw"]) for _ in range(3)]
    return Page(artist, how, palette, tones, script.subject, cast, rng)


def _draw_sheet(script: Script, page: Page) -> tuple[Image.Image, list[Found]]:
    """Draw all panels of a page; return it at its final size with what can be found on it."""
    line = page.manners["line"]
    taper = {"manga": page.artist["swell"], "comic": 0.0, "neither": 0.35}[line]
    hand = Hand(page.artist["pen"], taper, page.artist["jitter"])
    palette, rng = page.palette, page.rng
    sheet = Canvas(script.width, script.height, paper=palette.paper, ink=palette.ink, hand=hand, rng=rng)
    left, top, right, foot = script.margins
    panels = divide(
        script.layout, (left, top, script.width - right, script.height - foot),
        gutter=script.gutter, slanted=page.manners["gutters"] == "manga", rng=rng,
    )  # fmt: skip
    found = []
    for outline, shot in zip(panels, script.shots, strict=True):
        x0, y0, x1, y1 = bounds(outline)
        panel = Canvas(x1 - x0, y1 - y0, paper=palette.paper, ink=palette.ink, hand=hand, rng=rng)
        things = draw_panel(page, panel, shot)
        sheet.paste(panel, x0, y0, outline)
        sheet.line([*outline, outline[0], outline[1]], width=max(1.2, hand.pen * 1.3), taper=0)
        found.append(Found("panel", (x0, y0, x1, y1)))
        found += [Found(thing.name, _moved(thing.box, x0, y0, x1, y1)) for thing in things]
    return sheet.finished(), found


def _moved(box: Box, x0: float, y0: float, x1: float, y1: float) -> Box:
    """Return a panel's box in the pixels of the page, cut at the panel's edge."""
    return max(x0, x0 + box[0]), max(y0, y0 + box[1]), min(x1, x0 + box[2]), min(y1, y0 + box[3])


def _turned(box: Box, degrees: float, size: tuple[int, int]) -> Box:
    """Return the upright box around a box that was turned with the page about its middle."""
    angle, cx, cy = math.radians(degrees), size[0] / 2, size[1] / 2
    c, s = math.cos(angle), math.sin(angle)
    corners = [(x - cx, y - cy) for x in (box[0], box[2]) for y in (box[1], box[3])]
    x0, y0, x1, y1 = bounds([(cx + x * c + y * s, cy - x * s + y * c) for x, y in corners])
    return max(0.0, x0), max(0.0, y0), min(float(size[0]), x1), min(float(size[1]), y1)


def _row(script: Script, page: Page, scan: Scan) -> dict[str, Any]:
    """The truth about a page, one row of metadata.csv."""
    return {
        "style": page.artist.name,
        "subject": script.subject,
        "layout": script.layout,
        "panels": len(script.shots),
        "shots": " ".join(script.shots),
        "colouring": script.colouring,
        "caption": caption_of(script),
        **{f"cue_{cue}": page.manners[cue] for cue in CUES},
        **{f"artist_{number}": value for number, value in page.artist.numbers.items()},
        **{f"scan_{name}": round(value, 3) for name, value in asdict(scan).items()},
    }


_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def caption_of(script: Script) -> str:
    """Return a sentence on what a page shows; it does not say whether it is of a comic or of a manga.

    >>> rng = random.Random(3)
    >>> caption_of(make_script(rng, SIZE)).startswith("A page of ")
    True
    """
    panels = _COUNTS[len(script.shots)]
    shots = sorted(set(script.shots))
    shown = ", ".join(shots[:-1]) + (" and " if len(shots) > 1 else "") + shots[-1]
    return f"A page of {panels} panels about {script.subject}, {script.colouring}: {shown}."


@register(
    "drawings",
    "comics",
    "Pages of comics and manga that differ in drawing style alone, by artists of their own for each part",
)
def draw_comics(
    out: str | Path,
    n: int,
    *,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    workers: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Draw n pages, half of them "comic" and half "manga", into the folder `out` and return it.

    70 % of the pages go to train, 10 % to validation, 20 % to test; artists of one part draw for no other one, and
    the numbers of the test artists lie outside those of the training artists (`style.BANDS`).

    Args:
        out: a folder that does not exist yet or is empty; it appears whole or not at all.
        n: number of pages, at least 6.
        seed: the same seed gives the same files, bit for bit, whatever the number of workers.
        size: height and width of a page in pixels, about; from 200 to 1200.
        workers: processes; None for one a core.

    Raises:
        DataError: too few pages, an impossible size, or `out` holds something already.
        ResourceError: the disk refuses.
    """
    if not all(200 <= side <= 1200 for side in size):
        raise DataError(
            f"A page of {size[0]} x {size[1]} pixels cannot be drawn; give a height and a width from 200 to 1200."
        )
    orders = plan(KINDS, n, seed)
    return draw_album(
        out,
        orders,
        draw_page,
        options={"size": tuple(size)},
        readme=_readme(n, seed, size),
        workers=workers,
        show_progress=show_progress,
    )


def _readme(n: int, seed: int, size: tuple[int, int]) -> str:
    bands = "\n".join(f"- {part}: {', '.join(f'{a:g} to {b:g}' for a, b in edges)}" for part, edges in BANDS.items())
    return f"""# Comics and manga, drawn by Kunstkammer

{n} pages, half comics and half manga, about {size[0]} pixels tall and {size[1]} wide.
Drawn by `kunstkammer draw comics` with seed {seed}.
Nobody's pictures were used. Licence: CC0 1.0, do with them what you like.

- `train/`, `validation/`, `test/`: a folder a kind in each.
- `metadata.csv`: a row a page: its label and split, its artist (`style`), subject, layout and shots, in which manner
  each mark of style is drawn (`cue_...`), the numbers of its artist (`artist_...`) and of its scan (`scan_...`).
- `objects.coco.json`: boxes of panels, faces, balloons and captions (COCO).

Subjects, layouts, sizes, colours, exposure, paper and scan are the same lots for both kinds. Style differs in
{len(CUES)} marks: {", ".join(CUES)}. Each is now and then drawn in the manner of the other kind or of neither.

Every artist draws for one part only. On each range of an artist's numbers (0 its low end, 1 its high end) they lie at
{bands}
"""
