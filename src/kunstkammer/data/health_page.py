"""The page of a check: one self-contained HTML file with the findings and their pictures, bounded in size."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image, features

from kunstkammer.errors import PictureError
from kunstkammer.pictures.drawn_boxes import colours_of, draw_boxes
from kunstkammer.pictures.framing import Affine
from kunstkammer.version import __version__

if TYPE_CHECKING:
    from kunstkammer.data.health import Finding, Health

SIDE = 220
QUALITY = 68

PICTURES_PER_FINDING = 18
PICTURES_PER_GROUP = 4
FILES_PER_FINDING = 30
CLASSES_WITH_PICTURES = 12
PICTURES_PER_CLASS = 6
PICTURES_WITH_BOXES = 8
BOXED_SIDE = 400
"""Larger than other pictures of the page: lines are to be seen, and what they enclose."""
BARS = 40
DOTS = 1500


@dataclass(frozen=True)
class Tile:
    """One picture of the page: its data URI ("" where it cannot be read), its name, and what is to be said of it."""

    uri: str
    file: str
    remark: str
    labels: str
    width: int
    height: int


@dataclass(frozen=True)
class Shown:
    """A finding and the pictures shown for it; `more` groups or files are not shown."""

    finding: Finding
    groups: list[list[Tile]]
    files: list[tuple[str, str]]
    more: int


def health_page(health: Health) -> str:
    """Return the page as text. Pictures that no longer open are shown as missing, never as an error."""
    camera = _Camera(health)
    return _template().render(
        health=health,
        version=__version__,
        name=health.collection.name,
        splits=health.splits(),
        shown=[_shown(finding, camera) for finding in health.findings],
        bars=_bars(health.classes),
        bars_more=max(0, len(health.classes) - BARS),
        strips=_strips(health, camera),
        sizes=_sizes(health),
        boxes=_boxes(health, camera),
    )


class _Camera:
    """Makes tiles, each picture once, however often it is shown."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self.colours = colours_of(list(health.boxes.labels) if health.boxes else [])
        self.made: dict[tuple[int, bool], Tile] = {}

    def tile(self, i: int, remark: str = "", *, boxed: bool = False) -> Tile:
        """Return the tile of a picture, larger and with its boxes where those are to be seen."""
        if (i, boxed) not in self.made:
            collection = self.health.collection
            picture = None if i in self.health.survey.errors else self._picture(i, boxed)
            uri, width, height = ("", SIDE, SIDE) if picture is None else _as_uri(picture)
            self.made[i, boxed] = Tile(uri, collection.files[i], "", " | ".join(collection.labels[i]), width, height)
        return replace(self.made[i, boxed], remark=remark)

    def _picture(self, i: int, boxed: bool) -> Image.Image | None:
        """Return a small picture; None when it cannot be read any more."""
        side = BOXED_SIDE if boxed else SIDE
        try:
            picture = self.health.collection.open(i, at_least=side)
        except PictureError:
            return None
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        if not boxed:
            return picture
        width, height = (int(length) for length in self.health.survey.sizes[i])
        smaller = Affine.scaling(picture.width / width, picture.height / height)
        return draw_boxes(picture, self.health.collection.detections(i).moved(smaller), self.colours)


def _as_uri(picture: Image.Image) -> tuple[str, int, int]:
    """Return a picture as a data URI with its width and height."""
    kind = "webp" if features.check("webp") else "jpeg"
    target = io.BytesIO()
    picture.save(target, kind.upper(), quality=QUALITY)
    text = base64.b64encode(target.getvalue()).decode("ascii")
    return f"data:image/{kind};base64,{text}", picture.width, picture.height


def _shown(finding: Finding, camera: _Camera) -> Shown:
    groups: list[list[Tile]] = []
    left = PICTURES_PER_FINDING
    for group in finding.groups:
        members = group[:PICTURES_PER_GROUP]
        if len(members) > left:
            break
        left -= len(members)
        boxed = finding.kind.startswith("boxes-")
        groups.append([camera.tile(i, finding.remarks.get(i, ""), boxed=boxed) for i in members])
        if len(group) > len(members):
            last = groups[-1][-1]
            remark = f"{last.remark + ', ' if last.remark else ''}and {len(group) - len(members)} more"
            groups[-1][-1] = replace(last, remark=remark)
    files = list(finding.files[:FILES_PER_FINDING])
    more = len(finding.groups) + len(finding.files) - len(groups) - len(files)
    return Shown(finding, groups, files, more)


def _bars(classes: dict[str, int]) -> list[tuple[str, int, float]]:
    """Return (label, count, share of the largest), the largest first."""
    ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0]))[:BARS]
    most = max((n for _, n in ranked), default=0) or 1
    return [(label, n, n / most) for label, n in ranked]


def _strips(health: Health, camera: _Camera) -> list[tuple[str, list[Tile]]]:
    """Return a few pictures of each class, evenly from its list, so that one sees what is in there."""
    members: dict[str, list[int]] = {}
    for i, labels in enumerate(health.collection.labels):
        if i not in health.survey.errors:
            for label in labels:
                members.setdefault(label, []).append(i)
    largest = sorted(members, key=lambda label: (-len(members[label]), label))[:CLASSES_WITH_PICTURES]
    strips = []
    for label in largest or [""]:
        all_of_it = members.get(label) or [i for i in range(len(health.collection)) if i not in health.survey.errors]
        places = np.linspace(0, len(all_of_it) - 1, min(PICTURES_PER_CLASS, len(all_of_it))).round().astype(int)
        if len(all_of_it):
            strips.append((label, [camera.tile(all_of_it[k]) for k in places.tolist()]))
    return strips


def _boxes(health: Health, camera: _Camera) -> dict[str, Any] | None:
    """Return how many boxes there are of what, and a few pictures with theirs, evenly from those that have some."""
    if health.boxes is None:
        return None
    readable = health.survey.readable
    having = [i for i in range(len(health.collection)) if readable[i] and len(health.collection.detections(i))]
    places = np.linspace(0, len(having) - 1, min(PICTURES_WITH_BOXES, len(having))).round().astype(int)
    ranked = sorted(health.boxes.labels.items(), key=lambda item: (-item[1], item[0]))
    return {
        "sentence": health.boxes.sentence(len(health.collection)),
        "labels": [(name or "no label", n, camera.colours[name]) for name, n in ranked[:BARS]],
        "tiles": [camera.tile(having[k], boxed=True) for k in places.tolist()],
    }


def _sizes(health: Health) -> dict[str, Any] | None:
    """Return the dots (x, y, how many) of a chart of widths and heights, in a box of 100 x 100, and its scale."""
    readable = np.flatnonzero(health.survey.readable)
    if not readable.size:
        return None
    sizes, counts = np.unique(health.survey.sizes[readable], axis=0, return_counts=True)
    middle = np.median(health.survey.sizes[readable], axis=0)
    reach = _round_up(float(np.percentile(sizes, 99, axis=0).max()))
    if len(sizes) > DOTS:
        chosen = np.linspace(0, len(sizes) - 1, DOTS).round().astype(int)
        sizes, counts = sizes[chosen], counts[chosen]
    inside = np.minimum(sizes, reach)
    radii = np.clip(0.7 + 0.35 * np.sqrt(counts), 0.9, 3.2)
    dots = [
        (100 * w / reach, 100 - 100 * h / reach, r) for (w, h), r in zip(inside.tolist(), radii.tolist(), strict=True)
    ]
    low, high = health.survey.sizes[readable].min(axis=0), health.survey.sizes[readable].max(axis=0)
    return {
        "dots": dots,
        "ticks": [(share, f"{round(reach * share):,}") for share in (0.25, 0.5, 0.75, 1.0)],
        "middle": "{:,} x {:,}".format(*middle.astype(int).tolist()),
        "widths": f"{low[0]:,} to {high[0]:,}",
        "heights": f"{low[1]:,} to {high[1]:,}",
        "one": len(sizes) == 1,
    }


def _round_up(value: float) -> int:
    """Return the next number of a scale that divides well into quarters: 100, 120, 160, 200, 240 ..."""
    unit = 10.0 ** np.floor(np.log10(max(value, 4.0)))
    steps: Iterable[float] = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
    return int(next(step * unit for step in steps if step * unit >= value * 0.999))


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("kunstkammer.data"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template("health.html.j2")


def _breakable(name: str) -> Markup:
    """Let a browser break a long file name where a reader would."""
    return Markup(re.sub(r"([/_-])", r"\1<wbr>", str(escape(name))))
