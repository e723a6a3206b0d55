"""Peak memory of `kunstkammer train` on few and on many drawn pictures, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.contest import Found, Measure, Options, Rounds, Skipped, Target, compare
from benchmarks.machine import cores
from kunstkammer.errors import KunstkammerError

JOB = "memory"
SIDE = 160
TARGET = Target("ratio", "<=", 1.1)
SETTINGS = ("training.epochs=1", "evaluation.explainer=null")
POLL_SECONDS = 0.05
RESIDENT, ANONYMOUS = "peak resident memory", "peak anonymous memory"


@dataclass(frozen=True)
class Peaks:
    """The peaks of a process in MB: all that was resident, and what of it is no file that the system can drop."""

    resident: float
    anonymous: float


def measure(options: Options) -> Iterator[Found]:
    """Train SketchNet for one epoch on both sizes of collection."""
    if not Path("/proc/self/status").is_file():
        yield Skipped(JOB, RESIDENT, "this system has no /proc, which says the memory of a process")
        return
    names = [f"{count:,} pictures" for count in options.counts]
    resident: Rounds = {name: [] for name in names}
    anonymous: Rounds = {name: [] for name in names}
    for count in options.counts:
        draw_pictures(options.scratch / f"drawn-{count}", count)
    for _ in range(options.rounds(1)):
        for name, count in zip(names, options.counts, strict=True):
            peaks = train_and_watch(options.scratch / f"drawn-{count}", options.scratch / f"run-{time.time_ns()}")
            resident[name].append(peaks.resident)
            anonymous[name].append(peaks.anonymous)
    few, many = names
    yield _grown(RESIDENT, resident, many, few, TARGET)
    yield _grown(ANONYMOUS, anonymous, many, few, None, "without what is mapped from files, such as the plates")


def _grown(name: str, rounds: Rounds, many: str, few: str, target: Target | None, note: str = "") -> Measure:
    return compare(JOB, f"train, {name}, {many}", "MB", rounds, ours=many, peer=few, target=target, note=note)


def draw_pictures(folder: Path, count: int) -> None:
    """Write `count` small JPEG pictures of two classes, round and square shapes; no two of them alike."""
    for label in ("round", "square"):
        (folder / label).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda number: _draw(folder, number), range(count)):
            pass


def _draw(folder: Path, number: int) -> None:
    random = np.random.default_rng(number)
    ground = Image.fromarray(random.integers(0, 256, (10, 10, 3), dtype=np.uint8))
    picture = ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pen, label = ImageDraw.Draw(picture), ("round", "square")[number % 2]
    for _ in range(4):
        x, y, size = random.integers((0, 0, SIDE // 8), SIDE // 2).tolist()
        shape = pen.ellipse if label == "round" else pen.rectangle
        shape((x, y, x + size, y + size), fill=tuple(random.integers(0, 256, 3).tolist()), outline=(0, 0, 0))
    picture.save(folder / label / f"{number:06}.jpg", quality=80)


def train_and_watch(data: Path, run: Path) -> Peaks:
    """Run `kunstkammer train` as a process with an empty cache and return its peaks."""
    command = [sys.executable, "-c", "from kunstkammer.cli import main; main()", "train", str(data)]
    command += ["--recipe", "anime-cartoon", "--out", str(run)]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    environment = {**os.environ, "KUNSTKAMMER_CACHE": f"{run}-cache"}
    log = run.with_suffix(".log")
    with open(log, "wb") as said, subprocess.Popen(command, stdout=said, stderr=said, env=environment) as process:
        peaks = _watch(process)
    if process.returncode:
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise KunstkammerError(f"kunstkammer train failed in the memory benchmark: {last}")
    return peaks


def _watch(process: subprocess.Popen[bytes]) -> Peaks:
    """Look at a process until it ends.

    What the system says of a process that has ended (`ru_maxrss`) will not do: it begins with the memory of the process
    that started it.
    """
    resident = anonymous = 0
    while process.poll() is None:
        now = _memory(process.pid)
        resident = max(resident, now.get("VmHWM", 0))
        anonymous = max(anonymous, now.get("RssAnon", 0) + now.get("RssShmem", 0))
        time.sleep(POLL_SECONDS)
    return Peaks(resident / 1e6, anonymous / 1e6)


def _memory(pid: int) -> dict[str, int]:
    """Return what the system says of the memory of a process, in bytes; nothing once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines if line.startswith(("Vm", "Rss")))
    return {name.rstrip(":"): int(value) * 1024 for name, value, *_ in pairs}
