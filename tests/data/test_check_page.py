"""The page of the check: whole in itself, bounded, safe against names, readable without eyes."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kunstkammer.data import health_page as page_module
from kunstkammer.data.check import check
from kunstkammer.data.health import Health


class Page(HTMLParser):
    """Collects what the tests ask for; raises on tags that do not close in order."""

    VOID = frozenset({"meta", "img", "line", "circle", "path", "br", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags.append(tag)
        self.links += [str(named[key]) for key in ("src", "href") if key in named]
        if tag == "img":
            self.images.append(named)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def health(paint, tmp_path: Path) -> Health:
    """A collection with a bit of everything, and names that are HTML."""
    root = tmp_path / "zoo"
    for i in range(30):
        paint(root / ("train" if i < 20 else "test") / ["<b>ape</b>", "bee & co"][i % 2] / f"{i} <img src=x>.png", i)
    shutil.copy(root / "train/bee & co/1 <img src=x>.png", root / "test/<b>ape</b>/'\" onerror=.png")
    (root / "train" / "bee & co" / "bad.png").write_bytes(b"")
    return check(root, cache=tmp_path / "cache", show_progress=False)


def test_it_is_one_file_that_asks_nobody_for_anything(health: Health) -> None:
    page = Page(health.to_html())
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    assert "script" not in page.tags
    assert "<link" not in health.to_html()
    assert "@import" not in health.to_html()
    assert not re.search(r"https?://", health.to_html())


def test_names_are_text_and_never_markup(health: Health) -> None:
    page = Page(health.to_html())
    assert all(str(image["src"]).startswith("data:image/") for image in page.images)
    assert "<b>ape</b>" not in health.to_html()
    assert "<img src=x>" not in health.to_html()
    assert "onerror" not in {name for image in page.images for name in image}
    assert "&lt;b&gt;ape&lt;/b&gt;" in health.to_html()


def test_each_picture_has_an_alternative_text_and_its_size(health: Health) -> None:
    page = Page(health.to_html())
    assert len(page.images) > 5
    for image in page.images:
        assert image["alt"]
        assert int(str(image["width"])) <= page_module.SIDE
        assert int(str(image["height"])) <= page_module.SIDE


def test_it_tells_every_finding_and_its_mend(health: Health) -> None:
    text = health.to_html()
    for finding in health.findings:
        assert finding.sentence.split("'", maxsplit=1)[0] in text
    assert "empty file" in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_its_size_is_bounded(paint, tmp_path: Path) -> None:
    for i in range(120):
        paint(tmp_path / "d" / f"class {i % 60}" / f"{i}.png", i, (20, 20))
        (tmp_path / "d" / f"class {i % 60}" / f"{i} bad.png").write_bytes(b"")
    health = check(tmp_path / "d", cache=tmp_path / "cache", show_progress=False)
    text = health.to_html()
    page = Page(text)
    limit = page_module.PICTURES_PER_FINDING * len(health.findings)
    limit += page_module.CLASSES_WITH_PICTURES * page_module.PICTURES_PER_CLASS
    assert len(page.images) <= limit
    assert "102 more not shown" in text
    assert "20 smaller ones not shown" in text


def test_a_picture_that_is_gone_meanwhile_is_shown_as_missing(health: Health) -> None:
    assert health.collection.root is not None
    shutil.rmtree(health.collection.root)
    assert "cannot be shown" in health.to_html()


def test_no_readable_picture_at_all(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / "d" / name).parent.mkdir(parents=True)
        (tmp_path / "d" / name).write_bytes(b"")
    health = check(tmp_path / "d", cache=tmp_path / "cache", show_progress=False)
    assert len(health.unreadable) == 2
    Page(health.to_html())
