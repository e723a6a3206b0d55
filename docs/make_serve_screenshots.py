"""Make docs/images/serve-*.jpg: the pages over a model of drawn comics, asked about drawn pages it never saw.

    pip install kunstkammer[dev]; apt install chromium
    python docs/make_serve_screenshots.py [RUN DATA]

Without RUN and DATA it draws a collection and trains the demo recipe first (a few minutes).
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import kunstkammer as kk
from kunstkammer.data.readers import read

IMAGES = Path(__file__).parent / "images"
DESKTOP, PHONE = {"width": 1280, "height": 940}, {"width": 375, "height": 760}


def trained(folder: Path) -> tuple[Path, Path]:
    """Draw a collection, train on it, and keep its training pictures beside the model."""
    data, run = folder / "comics", folder / "comic-manga"
    kk.draw("comics", out=data, n=600)
    kk.train(data, recipe="demo", out=run)
    return run, data


@contextmanager
def served(run: Path, folder: Path) -> Iterator[str]:
    """Serve a run in a process of its own; yields the address that it prints."""
    command = [sys.executable, "-m", "kunstkammer", "serve", str(run), "--port", "0", "--folder", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "KUNSTKAMMER_VISITOR_RATE": "9999"}
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http" in line)
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def keep(page: Page, name: str, folder: Path, *, whole: bool = False) -> Path:
    """Take a picture of the window, or of the whole page."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    path = folder / f"{name}.png"
    page.screenshot(path=path, full_page=whole)
    return path


def ask(page: Page, base: str, pictures: list[Path]) -> list[str]:
    """Give pictures on the first page; returns the ids of the answers."""
    page.goto(base)
    page.set_input_files("#files", [str(path) for path in pictures])
    page.locator(".result[data-picture]").nth(len(pictures) - 1).wait_for()
    return page.eval_on_selector_all(".result[data-picture]", "found => found.map(one => one.dataset.picture)")


def show_map(page: Page, base: str, id: str) -> None:
    """Open a picture, ask why, and wait for what is near."""
    page.goto(f"{base}/pictures/{id}")
    page.click("#show-map")
    page.locator("#map").wait_for(state="visible")
    if page.locator("#near").count():
        page.locator("#near").scroll_into_view_if_needed()
        page.locator("#near img").nth(3).wait_for()
    page.evaluate("() => scrollTo(0, 0)")


def photograph(base: str, pictures: list[Path], folder: Path) -> None:
    """Go through the pages and write the pictures of the docs."""
    with sync_playwright() as playwright:
        camera = folder / "camera.mjpeg"
        camera.write_bytes(before_the_camera(pictures[-1]) * 30)
        arguments = [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}",
        ]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_context(viewport=DESKTOP, locale="en-GB").new_page()
        ids = ask(page, base, pictures[:: len(pictures) // 6][:6])
        small(keep(page, "ask", folder, whole=True), "serve-ask", 1000)
        show_map(page, base, ids[0])
        small(keep(page, "picture", folder, whole=True), "serve-picture", 1000)
        german = browser.new_context(
            viewport=PHONE, locale="de-DE", color_scheme="dark", is_mobile=True, has_touch=True, permissions=["camera"]
        )
        page = german.new_page()
        ids = ask(page, base, pictures)
        phones = [keep(page, "phone-ask", folder)]
        show_map(page, base, ids[0])
        phones.append(keep(page, "phone-picture", folder))
        page.goto(f"{base}/review")
        phones.append(keep(page, "phone-review", folder))
        page.goto(f"{base}/camera")
        page.click("#go")
        page.locator("#live-bars .bar").first.wait_for()
        page.wait_for_timeout(2000)
        phones.append(keep(page, "phone-camera", folder))
        beside(phones, folder / "phones.png")
        small(folder / "phones.png", "serve-phone", 1400)
        browser.close()


def before_the_camera(path: Path) -> bytes:
    """Return a frame of a page that is held before a camera; several after one another are a film."""
    frame = Image.new("RGB", (640, 480), "#b9b2a6")
    page = Image.open(path).convert("RGB")
    page = page.resize((round(page.width * 440 / page.height), 440), Image.Resampling.LANCZOS)
    frame.paste(page, ((640 - page.width) // 2, (480 - page.height) // 2))
    found = io.BytesIO()
    frame.save(found, "JPEG", quality=90)
    return found.getvalue()


def beside(paths: list[Path], out: Path, gap: int = 24) -> None:
    """Put pictures of one height side by side."""
    found = [Image.open(path).convert("RGB") for path in paths]
    sheet = Image.new("RGB", (sum(one.width for one in found) + gap * (len(found) - 1), found[0].height), "#e2dbcf")
    left = 0
    for one in found:
        sheet.paste(one, (left, 0))
        left += one.width + gap
    sheet.save(out)


def small(path: Path, name: str, width: int) -> None:
    """Write docs/images/NAME.jpg, at most so wide."""
    image = Image.open(path).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    image.save(IMAGES / f"{name}.jpg", quality=82, optimize=True)


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run, data = map(Path, sys.argv[1:3]) if len(sys.argv) > 2 else trained(folder)
        kk.fit_neighbours(run, data)
        unseen = read(str(data)).part("test")
        chosen = [Path(path) for path in unseen.paths if path][:: max(1, len(unseen) // 36)][:36]
        with served(run, folder / "web") as base:
            photograph(base, chosen, folder)


if __name__ == "__main__":
    main()
