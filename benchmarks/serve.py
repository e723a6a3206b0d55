"""`kunstkammer serve` under 200 visitors on loopback, against the bare model in batches; how long they wait; memory."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contest import Found, Measure, Options, Rounds, Target, compare, contest, seconds
from benchmarks.memory import _memory
from benchmarks.predict import decode_all, forward_all
from benchmarks.subjects import pictures
from benchmarks.visitors import WAYS, Load, visit
from kunstkammer.errors import KunstkammerError
from kunstkammer.models.run import Run, open_run
from kunstkammer.training.fit import recipe_model, write_checkpoint
from kunstkammer.training.recipe import Recipe

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

JOB = "serve"
BATCH = 32
SAMPLE = 256
"""Pictures that the bare model answers in a round."""
MODELS = {
    "ResNet-50, 224 px": {"model.name": "resnet-50", "picture.size": 224, "picture.channels": "colour"},
    "ResNet-18, 128 px": {"model.name": "resnet-18", "picture.size": 128, "picture.channels": "colour"},
}
OURS, BARE, BOTH = "answers a second", "the bare model in batches", "decoding, then the bare model"
TARGET, FLAT = Target("ratio", ">=", 0.7), Target("ratio", "<=", 1.1)
FREE = {"visitor_rate": "10000000", "all_rate": "10000000", "connections": "10000"}


def measure(options: Options) -> Iterator[Found]:
    """Serve each network with fresh weights, which take as long as trained ones, to visitors who never pause."""
    collection = pictures(options)
    sources = [collection.source(i) for i in range(len(collection))]
    files = [source if isinstance(source, bytes) else Path(source).read_bytes() for source in sources]
    for name, settings in MODELS.items():
        run = options.scratch / name.split(",")[0].lower()
        run.mkdir()
        model, geometry = recipe_model(
            Recipe.load("comic-manga", settings), collection.label_names or ("a", "b"), False
        )
        write_checkpoint(run, model.eval(), geometry)
        bare = Bare(open_run(run), collection.select(range(min(SAMPLE, len(collection)))))
        with serving(run, options.scratch / f"{run.name}-web") as server:
            yield from _under_load(name, server, files, bare, options)


class Bare:
    """The model alone: how many pictures a second it answers in batches, and how many with decoding before."""

    def __init__(self, checkpoint: Run, sample: Collection) -> None:
        self.checkpoint, self.sample = checkpoint, sample
        self.batches = [checkpoint.prepare(part) for part in decode_all(sample, checkpoint).split(BATCH)]
        self.count = sum(len(batch) for batch in self.batches)

    def __call__(self) -> dict[str, float]:
        """Time both."""
        forward = seconds(lambda: forward_all(self.checkpoint, self.batches))
        decoding = seconds(lambda: decode_all(self.sample, self.checkpoint))
        return {BARE: self.count / forward, BOTH: self.count / (forward + decoding)}


def _under_load(name: str, server: Server, files: Sequence[bytes], bare: Bare, options: Options) -> Iterator[Found]:
    visit(server.host, server.port, "predict", files, 8, 2)  # imports, and the files into memory
    loads: list[Load] = []

    def ours() -> dict[str, float]:
        loads.append(visit(server.host, server.port, "predict", files, options.visitors, options.load_seconds))
        return {OURS: loads[-1].rate}

    with watched(server.process.pid) as seen:
        rounds = contest({OURS: ours, BARE: bare}, options.rounds(1))
    statuses = ", ".join(f"{status}: {count}" for load in loads for status, count in sorted(load.statuses.items()))
    yield compare(JOB, f"{name}, predict", "pictures/s", rounds, ours=OURS, peer=BARE, target=TARGET, note=statuses)
    yield compare(JOB, f"{name}, predict", "pictures/s", rounds, ours=OURS, peer=BOTH)
    for share in (0.5, 0.95, 0.99):
        waits: Rounds = {"p": [load.percentile(share) for load in loads]}
        yield Measure(JOB, f"{name}, p{share * 100:.0f} of the wait", "s", statistics.median(waits["p"]), rounds=waits)
    yield _flat(name, seen)
    way = list(WAYS)[1]
    load = visit(server.host, server.port, way, files, options.visitors, options.load_seconds / 2)
    note = f"p50 {load.percentile(0.5):.2f} s, p95 {load.percentile(0.95):.2f} s, p99 {load.percentile(0.99):.2f} s"
    note += f"; {dict(load.statuses)}"
    yield Measure(JOB, f"{name}, {way}", "pictures/s", load.rate, note=note)


def _flat(name: str, seen: list[float]) -> Measure:
    """Compare the last quarter of the time with the second one: the first fills queues and caches."""
    quarter = max(1, len(seen) // 4)
    before, after = statistics.median(seen[quarter : 2 * quarter] or seen), statistics.median(seen[-quarter:])
    return Measure(
        JOB, f"{name}, memory at the end", "MB", after, before, after / before, "at first", FLAT, {"MB": seen}
    )


class Server:
    """A `kunstkammer serve` of its own process."""

    def __init__(self, run: Path, folder: Path) -> None:
        command = [sys.executable, "-c", "from kunstkammer.cli import main; main()", "serve", str(run), "--port", "0"]
        environment = {**os.environ, **{f"KUNSTKAMMER_{name.upper()}": value for name, value in FREE.items()}}
        self.log = folder.with_suffix(".log")
        with open(self.log, "wb") as said:
            self.process = subprocess.Popen(
                [*command, "--folder", str(folder)], stdout=subprocess.PIPE, stderr=said, env=environment, text=True
            )
        assert self.process.stdout is not None
        where = self.process.stdout.readline()
        if not where:
            last = (self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise KunstkammerError(f"kunstkammer serve did not start: {last}")
        self.host, port = where.split()[-1].removeprefix("http://").rsplit(":", 1)
        self.port = int(port)


@contextlib.contextmanager
def serving(run: Path, folder: Path) -> Iterator[Server]:
    """Serve a run for the block."""
    server = Server(run, folder)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(60)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """Look at the memory of a process and those it started each half second: MB that no file backs."""
    seen: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            seen.append(sum(_memory(one).get("RssAnon", 0) for one in [pid, *_children(pid)]) / 1e6)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield seen
    finally:
        done.set()
        watching.join()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, file.read_text(encoding="ascii").split())
    return found
