"""Faces of eight emotions, each as a photograph and as a drawing: `kunstkammer draw faces`.

Both domains show the same person with the same expression in the same pose; files of the same name are a pair. Person k
of a part shows every emotion once, so that nothing about a person tells an emotion, and no person is in two parts.
Light, background, style and what sensor and scanner do come from the same lots for all emotions.
"""

from __future__ import annotations

import io
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kunstkammer.data.drawn.album import Drawing, Order, Skeleton, draw_albums, plan
from kunstkammer.data.drawn.canvas import Box
from kunstkammer.data.drawn.faces.action_units import ACTION_UNITS, EMOTIONS, Expression, make_expression
from kunstkammer.data.drawn.faces.artists import STYLES, make_artist
from kunstkammer.data.drawn.faces.camera import make_camera
from kunstkammer.data.drawn.faces.drawing import ENLARGED, draw_face, make_sheet_scan
from kunstkammer.data.drawn.faces.landmarks import LANDMARKS, SKELETON, make_shape
from kunstkammer.data.drawn.faces.person import Person, View, make_person, make_view
from kunstkammer.data.drawn.faces.photograph import photograph
from kunstkammer.data.drawn.faces.relief import Pose, Relief
from kunstkammer.errors import DataError
from kunstkammer.registry import register

SIZE = 192
"""Side of a picture in pixels."""

DOMAINS = ("photographs", "drawings")


def draw_pair(order: Order, size: int) -> dict[str, Drawing]:
    """Draw one face in both domains; pure in its arguments."""
    name = f"{order.split}-{order.number:04d}"
    person = make_person(name, random.Random(f"person/{order.seed}/{name}"))
    chance = random.Random(f"face/{order.seed}/{order.file_name}")
    expression = make_expression(order.label, chance, vivid=person.vivid)
    view = make_view(chance)
    truth = _row(person, expression, view)
    return {
        "photographs": _photograph(order, person, expression, view, truth, size),
        "drawings": _drawing(order, person, expression, view, truth, size),
    }


def _photograph(
    order: Order, person: Person, expression: Expression, view: View, truth: dict[str, Any], size: int
) -> Drawing:
    rng = random.Random(f"photograph/{order.seed}/{order.file_name}")
    pose = Pose(Relief(make_shape(person, expression, view.gaze)), view, size)
    camera = make_camera(rng)
    picture = photograph(pose, person, camera, rng)
    conditions = {f"camera_{name}": _rounded(value) for name, value in asdict(camera).items()}
    return _finished(picture, camera.quality, pose, 1.0, {"style": "photograph", **truth, **conditions})


def _drawing(
    order: Order, person: Person, expression: Expression, view: View, truth: dict[str, Any], size: int
) -> Drawing:
    rng = random.Random(f"drawing/{order.seed}/{order.file_name}")
    artist = make_artist(rng)
    shape = make_shape(person, expression, view.gaze, artist.caricature)
    pose = Pose(Relief(shape), view, round(size * ENLARGED))
    scan = make_sheet_scan(rng)
    picture = draw_face(pose, person, artist, scan, rng, size)
    conditions = {
        **{f"artist_{name}": _rounded(value) for name, value in asdict(artist.caricature).items()},
        "artist_pen": _rounded(artist.pen),
        **{f"scan_{name}": _rounded(value) for name, value in asdict(scan).items() if name != "rotation"},
    }
    return _finished(picture, scan.quality, pose, size / pose.side, {"style": artist.name, **truth, **conditions})


def _finished(picture: Any, quality: int, pose: Pose, scale: float, row: dict[str, Any]) -> Drawing:
    """Encode a picture and note where its face and its landmarks are, in its pixels."""
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    points = pose.landmarks * scale
    keypoints = tuple(
        (round(float(x), 2), round(float(y), 2), 2 if seen else 1)
        for (x, y), seen in zip(points, pose.visible, strict=True)
    )
    return Drawing(data.getvalue(), row, [("face", _box(pose, scale, picture.size))], picture.size, keypoints)


def _box(pose: Pose, scale: float, size: tuple[int, int]) -> Box:
    """The box of the head without hair and ears, within the picture."""
    xs, ys = [x * scale for x, _ in pose.silhouette], [y * scale for _, y in pose.silhouette]
    return max(0.0, min(xs)), max(0.0, min(ys)), min(float(size[0]), max(xs)), min(float(size[1]), max(ys))


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def _row(person: Person, expression: Expression, view: View) -> dict[str, Any]:
    """The truth about a face, the same in both domains; action units once for each side of the person."""
    row: dict[str, Any] = {"person": person.name}
    for unit in ACTION_UNITS:
        row[f"au_{unit}"] = round(expression[unit], 3)
    for unit in ACTION_UNITS:
        row[f"au_{unit}_left"] = round(expression.left.get(unit, 0.0), 3)
        row[f"au_{unit}_right"] = round(expression.right.get(unit, 0.0), 3)
    for name, value in asdict(view).items():
        if name == "gaze":
            row["gaze_x"], row["gaze_y"] = (round(v, 3) for v in value)
        else:
            row[name] = round(value, 3)
    for name, value in asdict(person).items():
        if name != "name":
            row[f"person_{name}"] = "#%02x%02x%02x" % value if isinstance(value, tuple) else _rounded(value)  # noqa: UP031
    return row


@register(
    "drawings", "faces", "Faces of 8 emotions with known action units and landmarks, as photographs and as drawings"
)
def draw_faces(
    out: str | Path,
    n: int,
    *,
    seed: int = 0,
    size: int = SIZE,
    workers: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Draw `n` faces, evenly over eight emotions, each twice, into a new folder and return it.

    The folder holds two collections, `photographs` and `drawings`, that share the names of their files.

    Args:
        out: a folder that does not exist yet or is empty; it appears whole or not at all.
        n: number of faces, at least 24; there are twice as many pictures.
        seed: the same seed gives the same files, bit for bit, whatever the number of workers.
        size: side of a picture in pixels, from 96 to 512.
        workers: processes; None for one a core.

    Raises:
        DataError: too few faces, an impossible size, or `out` holds something already.
        ResourceError: the disk refuses.
    """
    if not 96 <= size <= 512:
        raise DataError(f"A face of {size} pixels cannot be drawn; give a size from 96 to 512.")
    return draw_albums(
        out,
        plan(EMOTIONS, n, seed),
        draw_pair,
        options={"size": size},
        readmes={domain: _readme(domain, n, seed, size) for domain in DOMAINS},
        readme=_overview(n, seed, size),
        skeletons={"face": Skeleton(LANDMARKS, SKELETON)},
        workers=workers,
        show_progress=show_progress,
    )


def _overview(n: int, seed: int, size: int) -> str:
    return f"""# Faces of eight emotions in two domains, drawn by Kunstkammer

{n} faces, {size} x {size} pixels, each as a photograph-like picture and as a drawing.
Drawn by `kunstkammer draw faces` with seed {seed}. Nobody's face was used.
Licence: CC0 1.0, do with them what you like.

- `photographs/` and `drawings/`: a complete collection each. Files of the same name show the same person with the same
  expression in the same pose.

What a move from photographs to drawings costs:
`kunstkammer train photographs --recipe demo --set 'data.groups=[person]' --out run`, then
`kunstkammer evaluate run photographs` and `kunstkammer evaluate run drawings`.
"""


def _readme(domain: str, n: int, seed: int, size: int) -> str:
    how = {
        "photographs": "Photograph-like: a shaded relief in directional light, with lens and sensor (`camera_...`).",
        "drawings": f"Drawings in {len(STYLES)} styles: {', '.join(STYLES)} (`style`, `artist_...`, `scan_...`).",
    }[domain]
    return f"""# Faces of eight emotions: {domain}, drawn by Kunstkammer

{n} faces, {size} x {size} pixels. {how}
Drawn by `kunstkammer draw faces` with seed {seed}. Nobody's face was used.
Licence: CC0 1.0, do with them what you like.

- `train/`, `validation/`, `test/`: a folder an emotion in each. No person (`person`) is in two of them, and each person
  shows every emotion once.
- `metadata.csv`: a row a picture: label, split, style, person; `au_N`, the true intensity of facial action unit N,
  0 to 1, as the mean of both sides, and for the person's left and right side; pose in degrees; the person's features.
- `objects.coco.json`: the box of the face and {len(LANDMARKS)} landmarks as COCO keypoints.
  Visibility 1 means that the landmark lies on the side of the head that is turned away.
"""
