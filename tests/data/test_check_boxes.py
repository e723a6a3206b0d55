"""The check of boxes: what is wrong with them is named, in text, JSON and on the page, where they are drawn."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kunstkammer.data.check import check
from kunstkammer.data.health import Health
from kunstkammer.data.readers import read
from kunstkammer.pictures.detections import Detections
from kunstkammer.pictures.drawn_boxes import COLOURS, draw_boxes

GOOD = [[2, 2, 20, 20], [25, 2, 20, 20]]
ODD = {
    "outside.png": [[40, 40, 30, 4], [-3, 0, 9, 9], [0, 0, 64.4, 48]],  # the last one by rounding alone
    "empty.png": [[5, 5, 0, 9]],
    "twice.png": [[5, 5, 9, 9], [5.2, 5, 9, 9.1], [5, 5, 9, 9]],
}


@pytest.fixture
def look(paint, tmp_path: Path) -> Callable[..., Health]:
    def run(odd: dict[str, list[list[float]]]) -> Health:
        rows = {f"{i:02}.png": GOOD for i in range(12)} | odd
        for i, name in enumerate(rows):
            paint(tmp_path / "pages" / name, i, (64, 48))
        lines = [
            {"file_name": name, "label": "ab"[i % 2], "objects": {"bbox": own, "category": ["panel"] * len(own)}}
            for i, (name, own) in enumerate(rows.items())
        ]
        (tmp_path / "pages" / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        return check(tmp_path / "pages", cache=tmp_path / "cache", show_progress=False)

    return run


def test_sound_boxes_are_counted_and_left_alone(look) -> None:
    health = look({})
    assert not [finding for finding in health.findings if "box" in finding.kind]
    assert "24 boxes on 12 of 12 pictures: panel 24." in health.to_text()
    assert health.to_json()["boxes"] == {
        "boxes": 24, "pictures": 12, "labels": {"panel": 24}, "outside": [], "empty": [], "repeated": [],
    }  # fmt: skip


def test_what_is_wrong_is_named(look) -> None:
    health = look(ODD)
    told = {finding.kind: finding.sentence for finding in health.findings if finding.kind.startswith("boxes-")}
    assert told == {
        "boxes-outside": "2 boxes reach outside their picture (1 picture).",
        "boxes-empty": "1 box is without an area (1 picture).",
        "boxes-repeated": "2 boxes are there more than once (1 picture).",
    }
    found = health.to_json()["boxes"]
    assert found["outside"] == [{"file": "outside.png", "boxes": 2}]
    assert found["empty"] == [{"file": "empty.png", "boxes": 1}]
    assert found["repeated"] == [{"file": "twice.png", "boxes": 2}]
    assert "outside.png: 2 boxes" in health.to_text()


def test_labels_of_few_boxes_are_named_and_unreadable_pictures_are_no_trouble(look, tmp_path: Path) -> None:
    look(ODD)
    (tmp_path / "pages" / "outside.png").write_bytes(b"")
    collection = read(tmp_path / "pages")
    few = [Detections([(0, 0, 5, 5)], ["text"]) if i == 3 else collection.detections(i) for i in range(len(collection))]
    health = check(collection.with_detections(few), cache=tmp_path / "cache", show_progress=False)
    assert "1 label has fewer than 20 boxes: 'text' (1)." in [finding.sentence for finding in health.findings]
    assert health.to_json()["boxes"]["outside"] == []
    assert "outside.png" not in re.findall(r'alt="([^"]+) with its boxes"', health.to_html())


def test_no_boxes_no_word(paint, tmp_path: Path) -> None:
    paint(tmp_path / "pages" / "a" / "1.png")
    health = check(tmp_path / "pages", cache=tmp_path / "cache", show_progress=False)
    assert health.to_json()["boxes"] is None
    assert "boxes" not in health.to_text()
    assert "boxes-title" not in health.to_html()


def test_the_page_draws_them_where_they_are(look, tmp_path: Path) -> None:
    # A large picture, so that it is made smaller for the page; the box must shrink with it.
    Image.new("RGB", (800, 600), "#cccccc").save(tmp_path / "large.png")
    lines = {"file_name": "large.png", "label": "a", "objects": {"bbox": [[200, 150, 400, 300]], "category": ["<x>"]}}
    (tmp_path / "rows.jsonl").write_text(json.dumps(lines), encoding="utf-8")
    page = check(tmp_path / "rows.jsonl", cache=tmp_path / "cache", show_progress=False).to_html()
    assert "&lt;x&gt; 1." in page
    [uri] = re.findall(r'<img src="data:image/[a-z]+;base64,([^"]+)"[^>]*alt="large.png with its boxes"', page)
    with Image.open(io.BytesIO(base64.b64decode(uri))) as tile:
        assert tile.size == (400, 300)
        pixels = np.asarray(tile.convert("RGB")).astype(int)
    wanted = np.array([int(COLOURS[0][k : k + 2], 16) for k in (1, 3, 5)])
    rows, columns = np.nonzero((np.abs(pixels - wanted) < 60).all(axis=2))
    assert (columns.min(), columns.max() + 1) == pytest.approx((100, 300), abs=2)
    assert (rows.min(), rows.max() + 1) == pytest.approx((75, 225), abs=2)


def test_boxes_drawn_at_the_edge_and_without_area() -> None:
    grey = Image.new("L", (20, 10), 128)
    drawn = draw_boxes(
        grey, Detections([(-5, -5, 4, 4), (6, 2, 6, 8), (100, 0, 120, 5)], ["a", "b", "a"]), {"a": "red"}
    )
    assert drawn.mode == "RGB"
    assert drawn.getpixel((3, 0)) == (255, 0, 0)
    assert drawn.getpixel((6, 5)) == (0, 0, 0)
    assert grey.getpixel((3, 0)) == 128


@pytest.mark.real
def test_boxes_of_real_pages(shared: Path, tmp_path: Path) -> None:
    health = check(shared / "data" / "comic_manga" / "panels.coco.json", show_progress=False)
    found = health.to_json()["boxes"]
    assert (found["boxes"], found["pictures"]) == (2661, 213)
    assert found["outside"] == []
    assert health.to_html().count("with its boxes") == 8
