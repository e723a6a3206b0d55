"""Reading pictures in processes that may die: what they give, and that one bad picture costs only itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from concurrent.futures import wait
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kunstkammer.errors import PictureError, ResourceError
from kunstkammer.pictures.plate import PlateSettings, make_plate
from kunstkammer.web.inference.decoder import decode
from kunstkammer.web.inference.decoding import DecodingPool

GREY, COLOUR = PlateSettings(64, 64, grey=True), PlateSettings(48, 40, fit="pad")


@pytest.fixture(scope="module")
def pool():
    pool = DecodingPool(2, seconds=20, max_pixels=4_000_000)
    yield pool
    pool.close()


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def processor_seconds(pid: int) -> float:
    """Return what a process has used of the processor."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        pytest.skip("there is no /proc to see what a process does")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def running(pid: int) -> bool:
    """Say whether a process is there (a stopped one counts), whoever its parent is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_plates_thumbnail_and_facts(pool, page):
    found = pool.submit(page, "page.jpg", [GREY, COLOUR], thumbnail=True).result()
    for settings, plate in zip((GREY, COLOUR), found.plates, strict=True):
        np.testing.assert_array_equal(plate, make_plate(page, settings, "page.jpg"))
    assert (found.facts.format, found.facts.bytes, len(found.facts.sha256)) == ("JPEG", len(page), 64)
    small = Image.open(BytesIO(found.thumbnail))
    assert (small.format, small.size) == ("WEBP", (found.facts.width, found.facts.height))


def test_large_ones_are_shrunk_turned_and_laid_over_white(pool):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(Image.new("RGB", (1600, 800), "red"), "JPEG", exif=exif)
    found = pool.submit(turned, "turned.jpg", [GREY], thumbnail=True).result()
    assert (found.facts.width, found.facts.height) == (800, 1600)
    assert Image.open(BytesIO(found.thumbnail)).size == (256, 512)
    np.testing.assert_array_equal(found.plates[0], make_plate(turned, GREY, ""))
    clear = pool.submit(saved(Image.new("RGBA", (9, 9), (255, 0, 0, 0))), "clear.png", [GREY]).result()
    assert clear.plates[0].min() == 255


@pytest.mark.parametrize("at_least", [100, 300, 512, 700, 1500])
def test_a_jpeg_is_decoded_once_where_that_gives_the_same(at_least):
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1300, 3), np.uint8)
    data = saved(Image.fromarray(noise), "JPEG")
    settings = [PlateSettings(side, side, grey) for side in (80, at_least) for grey in (False, True)]
    _, _, *plates = decode(data, "x", settings, thumbnail=True, max_pixels=10**7)
    for one, plate in zip(settings, plates, strict=True):
        np.testing.assert_array_equal(plate, make_plate(data, one, "x"))


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (saved(Image.new("L", (60, 60)))[:-30], "truncated|damaged"),
        (saved(Image.new("1", (3000, 3000))), "too large: 3000 x 3000"),
    ],
)
def test_bad_pictures_are_named_and_the_process_lives_on(pool, data, cause):
    wait([pool.submit(saved(Image.new("L", (5, 5))), "warm.png") for _ in range(8)])
    before = set(pool.processes())
    with pytest.raises(PictureError, match=f"mine.png: .*({cause})"):
        pool.submit(data, "mine.png", [GREY], thumbnail=True).result()
    assert set(pool.processes()) == before


def test_a_process_killed_while_idle_costs_no_picture(pool, page):
    for pid in pool.processes():
        os.kill(pid, signal.SIGKILL)
    found = [pool.submit(page, "page.jpg", [GREY]) for _ in range(6)]
    assert all(future.result().plates for future in found)


def test_a_process_killed_at_work_costs_only_its_picture(page):
    pool = DecodingPool(1, seconds=20, max_pixels=10**8)
    try:
        pool.submit(page, "warm.jpg").result()
        [first] = pool.processes()
        long = pool.submit(saved(Image.effect_noise((8000, 8000), 90), compress_level=1), "long.png", [GREY])
        others = [pool.submit(page, "page.jpg", [GREY]) for _ in range(3)]
        while not long.running():
            time.sleep(0.001)
        before = processor_seconds(first)
        while processor_seconds(first) < before + 0.15:  # it has read it all, and decodes: in all 0.7 s
            time.sleep(0.002)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(PictureError, match=r"long\.png: .*ended the process"):
            long.result()
        assert all(future.result().plates for future in others)
        assert pool.processes() != [first]
    finally:
        pool.close()


def test_a_process_that_hangs_is_stopped(page):
    pool = DecodingPool(1, seconds=1.5, max_pixels=10**8)
    try:
        pool.submit(page, "warm.jpg").result()
        [pid] = pool.processes()
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(PictureError, match=r"slow\.jpg: reading it took more than 1\.5 seconds"):
            pool.submit(page, "slow.jpg", [GREY]).result()
        assert time.monotonic() - start < 30
        assert not running(pid)
        assert pool.submit(page, "next.jpg", [GREY]).result().plates
    finally:
        pool.close()


def test_too_much_memory_costs_only_its_picture(page):
    pool = DecodingPool(1, seconds=20, memory=2**27, max_pixels=10**9)
    try:
        rows = zlib.compress(bytes(30_001) * 10_000)  # 300 million pixels in 300 kB
        bomb = saved(Image.new("L", (1, 1)))
        head = (30_000).to_bytes(4) + (10_000).to_bytes(4) + b"\x08\x00\x00\x00\x00"
        chunks = [(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")]
        bomb = bomb[:8] + b"".join(
            len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in chunks
        )
        with pytest.raises(PictureError, match=r"bomb\.png: .*(memory|ended the process)"):
            pool.submit(bomb, "bomb.png", [GREY]).result()
        assert pool.submit(page, "next.jpg", [GREY], thumbnail=True).result().plates
    finally:
        pool.close()


def test_what_is_cancelled_is_not_read_and_closing_ends_the_processes(page):
    pool = DecodingPool(1, seconds=20, max_pixels=10**8)
    long = pool.submit(saved(Image.effect_noise((3000, 3000), 90), compress_level=1), "long.png")
    while not long.running():
        time.sleep(0.001)
    dropped = pool.submit(page, "page.jpg", [GREY])
    assert dropped.cancel()
    pids = pool.processes()
    pool.close()
    assert long.result().facts.width == 3000
    assert not any(running(pid) for pid in pids)
    with pytest.raises(ResourceError, match="stopping"):
        pool.submit(page, "page.jpg")


def test_it_loads_no_torch_and_leaves_with_its_parent(page, tmp_path):
    script = "import sys, kunstkammer.web.inference.decoder; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    parent = """if True:
        import sys, time
        from kunstkammer.web.inference.decoding import DecodingPool
        pool = DecodingPool(2, max_pixels=100)
        while len(pool.processes()) < 2: time.sleep(0.01)
        print(*pool.processes(), flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(running(pid) for pid in pids)
