"""Drawn collections on disk: pages drawn by many processes, folders, truth, and how it all came about.

The layout that every kind of drawing shares:

    DIR/train/KIND/0001.jpg ...   DIR/validation/...   DIR/test/...
    DIR/metadata.csv              a row a picture: file_name, label, split and the true parameters
    DIR/objects.coco.json         boxes of the things in the pictures, COCO
    DIR/README.md                 what it is, its seed, its licence

A kind that draws each order in several domains fills a folder of this layout for each of them (`draw_albums`).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunstkammer.errors import DataError
from kunstkammer.files import atomic_folder, disk_errors
from kunstkammer.progress import progress

PARTS = {"train": 0.7, "validation": 0.1, "test": 0.2}
CHUNK = 10
SERIAL_BELOW = 40
"""Fewer pictures than this are drawn in this process: starting others would take longer."""


@dataclass(frozen=True)
class Drawing:
    """One finished picture: its encoded file, its row in the table, the boxes of what is in it.

    Attributes:
        keypoints: of its first object, in COCO's form: x, y in pixels and visibility (0, 1 or 2).
    """

    data: bytes
    row: dict[str, Any]
    objects: list[tuple[str, tuple[float, float, float, float]]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    keypoints: tuple[tuple[float, float, int], ...] = ()


@dataclass(frozen=True)
class Skeleton:
    """The keypoints that a thing has: their names, and which are neighbours (pairs of numbers from 0)."""

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Order:
    """One picture to draw: where it goes, what it is, and the seed of the whole collection."""

    file_name: str
    label: str
    split: str
    number: int
    seed: int


def plan(labels: Sequence[str], n: int, seed: int, *, suffix: str = ".jpg") -> list[Order]:
    """Share n pictures out over the labels, evenly, and over the parts (`PARTS`), each with at least one.

    Raises:
        DataError: n is too small for a picture of each label in each part.
    """
    least = len(labels) * len(PARTS)
    if n < least:
        raise DataError(
            f"{n} pictures are too few for {len(labels)} kinds in {len(PARTS)} parts; ask for {least} or more."
        )
    orders = []
    for i, label in enumerate(labels):
        each = n // len(labels) + (i < n % len(labels))
        validation, test = (max(1, round(each * PARTS[part])) for part in ("validation", "test"))
        counts = {"train": each - validation - test, "validation": validation, "test": test}
        for split, count in counts.items():
            for k in range(1, count + 1):
                orders.append(Order(f"{split}/{label}/{k:04d}{suffix}", label, split, k, seed))
    return orders


def draw_album(
    out: str | Path,
    orders: Sequence[Order],
    draw: Callable[..., Drawing],
    *,
    options: dict[str, Any],
    readme: str,
    workers: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Draw all orders into the folder `out`, which appears whole or not at all, and return it.

    Args:
        out: a folder that does not exist yet or is empty.
        draw: a function of a module, `draw(order, **options) -> Drawing`; other processes call it.
        workers: processes; None for one a core. The pictures do not depend on it.

    Raises:
        DataError: `out` holds something already.
        ResourceError: the disk refuses.
    """
    out = Path(out)
    check_free(out)
    with atomic_folder(out) as folder:
        _fill(folder, {"": readme}, orders, draw, options, {}, workers, show_progress=show_progress, title=out.name)
    return out


def draw_albums(
    out: str | Path,
    orders: Sequence[Order],
    draw: Callable[..., Mapping[str, Drawing]],
    *,
    options: dict[str, Any],
    readmes: Mapping[str, str],
    readme: str,
    skeletons: Mapping[str, Skeleton] | None = None,
    workers: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Draw all orders in several domains, a collection for each in a folder of its name within `out`; return `out`.

    As `draw_album`, but `draw` returns a drawing for each name of `readmes`, `readme` is that of `out` itself, and
    `skeletons` says which keypoints a thing has.
    """
    out = Path(out)
    check_free(out)
    with atomic_folder(out) as folder:
        _fill(
            folder,
            readmes,
            orders,
            draw,
            options,
            skeletons or {},
            workers,
            show_progress=show_progress,
            title=out.name,
        )
        (folder / "README.md").write_text(readme, encoding="utf-8")
    return out


def _fill(
    folder: Path,
    readmes: Mapping[str, str],
    orders: Sequence[Order],
    draw: Callable[..., Drawing | Mapping[str, Drawing]],
    options: dict[str, Any],
    skeletons: Mapping[str, Skeleton],
    workers: int | None,
    *,
    show_progress: bool,
    title: str,
) -> None:
    """Draw all orders and write the files of each collection; the one named "" lies in `folder` itself."""
    for name in readmes:
        for split, label in {(order.split, order.label): None for order in orders}:
            (folder / name / split / label).mkdir(parents=True, exist_ok=True)
    facts: dict[str, list[_Fact]] = {name: [] for name in readmes}
    with progress(f"Drawing {title}", len(orders)) as advance:
        for done in _drawn(draw, orders, str(folder), options, workers):
            for by_name in done:
                for name, fact in by_name.items():
                    facts[name].append(fact)
            if show_progress:
                advance(len(done))
    for name, readme in readmes.items():
        rows = [fact.row for fact in facts[name]]
        (folder / name / "metadata.csv").write_text(_csv(rows), encoding="utf-8", newline="")
        coco = json.dumps(_coco(facts[name], skeletons), ensure_ascii=False)
        (folder / name / "objects.coco.json").write_text(coco, encoding="utf-8")
        (folder / name / "README.md").write_text(readme, encoding="utf-8")


def check_free(out: Path) -> None:
    """Raise `DataError` if `out` is a file or a folder with something in it."""
    with disk_errors(out):
        if out.is_dir() and not any(out.iterdir()):
            return
        if out.exists():
            what = "already holds files" if out.is_dir() else "is a file"
            raise DataError(f"{out} {what}; name a new folder for the drawings, or empty this one first.")


@dataclass(frozen=True)
class _Fact:
    """What is kept of a picture once its file is written."""

    row: dict[str, Any]
    size: tuple[int, int]
    objects: list[tuple[str, tuple[float, float, float, float]]]
    keypoints: tuple[tuple[float, float, int], ...]


_Done = list[dict[str, _Fact]]
_Draw = Callable[..., Drawing | Mapping[str, Drawing]]


def _drawn(
    draw: _Draw, orders: Sequence[Order], folder: str, options: dict[str, Any], workers: int | None
) -> Iterator[_Done]:
    """Yield the truth of chunk after chunk, in the order of the orders."""
    chunks = [orders[i : i + CHUNK] for i in range(0, len(orders), CHUNK)]
    workers = min(workers or _cores(), len(chunks))
    if workers == 1 or len(orders) < SERIAL_BELOW:
        for chunk in chunks:
            yield _draw_chunk(draw, chunk, folder, options)
        return
    # loky starts fresh processes that do not run the caller's script again, so no `if __name__ == "__main__"` is needed
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=workers, backend="loky", return_as="generator", max_nbytes=None, idle_worker_timeout=10)
    yield from parallel(delayed(_draw_chunk)(draw, chunk, folder, options) for chunk in chunks)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draw_chunk(draw: _Draw, orders: Sequence[Order], folder: str, options: dict[str, Any]) -> _Done:
    """Draw some orders and write their files; runs in a process of its own."""
    done: _Done = []
    for order in orders:
        drawn = draw(order, **options)
        facts = {}
        for name, drawing in ({"": drawn} if isinstance(drawn, Drawing) else drawn).items():
            path = Path(folder) / name / order.file_name
            with disk_errors(path):
                path.write_bytes(drawing.data)
            row = {"file_name": order.file_name, "label": order.label, "split": order.split, **drawing.row}
            facts[name] = _Fact(row, drawing.size, drawing.objects, drawing.keypoints)
        done.append(facts)
    return done


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _coco(facts: Sequence[_Fact], skeletons: Mapping[str, Skeleton]) -> dict[str, Any]:
    """Return the boxes as COCO: `bbox` is [x, y, width, height] in pixels, numbers start at 1."""
    names = sorted({name for fact in facts for name, _ in fact.objects})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i, fact in enumerate(facts, start=1):
        images.append({"id": i, "file_name": fact.row["file_name"], "width": fact.size[0], "height": fact.size[1]})
        for k, (name, (x0, y0, x1, y1)) in enumerate(fact.objects):
            box = [round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1)]
            annotation = {
                "id": len(annotations) + 1, "image_id": i, "category_id": names.index(name) + 1,
                "bbox": box, "area": round(box[2] * box[3], 1), "iscrowd": 0,
            }  # fmt: skip
            if k == 0 and fact.keypoints:
                annotation["keypoints"] = [number for point in fact.keypoints for number in point]
                annotation["num_keypoints"] = sum(point[2] > 0 for point in fact.keypoints)
            annotations.append(annotation)
    categories = [{"id": i, "name": name, **_described(skeletons.get(name))} for i, name in enumerate(names, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _described(skeleton: Skeleton | None) -> dict[str, Any]:
    """Return what COCO says of the keypoints of a category; its skeleton counts from 1."""
    if skeleton is None:
        return {}
    return {"keypoints": list(skeleton.names), "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges]}
