"""Processes that read pictures, and are replaced when they die of one: what a visitor sends is decoded nowhere else."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kunstkammer
from kunstkammer.errors import PictureError, ResourceError
from kunstkammer.pictures.plate import PlateSettings
from kunstkammer.web.inference.decoder import ACCEPTED, frame, read_frame
from kunstkammer.web.records import Facts

log = logging.getLogger("kunstkammer.web")

START_SECONDS = 60.0
"""A process that does not start within this time is given up."""

STARTS = 3
"""So many new processes are tried for one picture before it is said that none can be had."""


@dataclass(frozen=True)
class Decoded:
    """What reading a picture gave.

    Attributes:
        facts: of the file.
        thumbnail: WebP, b"" where none was asked for.
        plates: uint8 (C, H, W), one for each of the settings asked for.
    """

    facts: Facts
    thumbnail: bytes
    plates: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class _Job:
    data: bytes
    name: str
    plates: tuple[PlateSettings, ...]
    thumbnail: bool
    sha256: str | None
    future: Future[Decoded]


class DecodingPool:
    """Some processes, and a thread for each that hands it pictures and takes back what it made of them.

    Args:
        processes: how many.
        seconds: for one picture; then its process is stopped.
        memory: bytes of address space that a process may take for decoding.
        max_pixels: larger pictures are refused before they are decoded.
    """

    def __init__(self, processes: int = 2, *, seconds: float = 10.0, memory: int = 2**31, max_pixels: int) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._workers = [_Worker(seconds, memory, max_pixels) for _ in range(processes)]
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name="kunstkammer-decode", daemon=True)
            for worker in self._workers
        ]
        self._ended = threading.Event()
        watch = threading.Thread(
            target=self._watch, args=(min(0.25, seconds / 4),), name="kunstkammer-watch", daemon=True
        )
        for thread in (*self._threads, watch):
            thread.start()

    def submit(
        self,
        data: bytes,
        name: str,
        plates: Sequence[PlateSettings] = (),
        *,
        thumbnail: bool = False,
        sha256: str | None = None,
    ) -> Future[Decoded]:
        """Have a picture read; the future raises `PictureError`, or `ResourceError` where no process can be had.

        `sha256` of the bytes, where it is known already. A future that is cancelled before its turn costs nothing.
        """
        future: Future[Decoded] = Future()
        if self._closed:
            raise ResourceError("The server is stopping; no more pictures are read.")
        self._jobs.put(_Job(data, name, tuple(plates), thumbnail, sha256, future))
        return future

    def processes(self) -> list[int]:
        """Return the process ids of those that are running."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    def close(self) -> None:
        """End the processes; a picture that is being read is finished first (or its time runs out)."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._ended.set()

    def _watch(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            for worker in self._workers:
                worker.stop_if_late()

    def _work(self, worker: _Worker) -> None:
        worker.prepare()
        while (job := self._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(worker.decode(job))
            except (PictureError, ResourceError) as error:
                job.future.set_exception(error.with_traceback(None))  # its frames would hold the picture
                worker.prepare()
            except BaseException as error:  # noqa: BLE001 - whoever asked is told; this thread goes on
                job.future.set_exception(error)
            del job
        worker.end()


class _Died(Exception):  # noqa: N818
    """The process is gone; `accepted` says whether it had begun with the picture."""

    def __init__(self, accepted: bool) -> None:
        super().__init__()
        self.accepted = accepted


class _Worker:
    """One process and what is under way with it. Used by one thread, but for the watch that stops a process."""

    def __init__(self, seconds: float, memory: int, max_pixels: int) -> None:
        self._seconds, self._memory, self._max_pixels = seconds, memory, max_pixels
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self._late = False

    def prepare(self) -> None:
        """Have a process ready, so that the next picture does not wait for it; a failure shows with the picture."""
        try:
            self._ready()
        except ResourceError as error:
            log.error("%s", error)

    def decode(self, job: _Job) -> Decoded:
        """Have one picture read. Raises `PictureError` also where the process died of it."""
        for _ in range(STARTS):
            process = self._ready()
            try:
                header, body = self._ask(process, job)
            except _Died as died:
                status = self._reap()
                if self._late:
                    cause = f"reading it took more than {self._seconds:g} seconds"
                    raise PictureError(job.name, cause) from None
                if not died.accepted:
                    continue
                log.warning("A picture ended the process that read it (status %s); it was replaced.", status)
                raise PictureError(job.name, "damaged: reading it ended the process that did so") from None
            if "cause" in header:
                raise PictureError(job.name, header["cause"])
            return _decoded(job, header, body)
        raise ResourceError("The processes that read pictures die before they begin; see the server's log.")

    def end(self) -> None:
        """Let the process end: it does when its pipe is closed."""
        if self.process is not None:
            self._reap()

    def _ask(self, process: subprocess.Popen[bytes], job: _Job) -> tuple[dict[str, Any], bytes]:
        if process.stdin is None or process.stdout is None:
            raise _Died(accepted=False)
        asked = {
            "name": job.name,
            "plates": [asdict(settings) for settings in job.plates],
            "thumbnail": job.thumbnail,
            "max_pixels": self._max_pixels,
        }
        accepted = False
        with self._watched(self._seconds):
            try:
                for part in frame(asked, job.data):
                    process.stdin.write(part)
                process.stdin.flush()
                accepted = process.stdout.read(1) == ACCEPTED
                answer = read_frame(process.stdout.read) if accepted else None
            except OSError:
                answer = None
        if answer is None:
            raise _Died(accepted)
        return answer

    def stop_if_late(self) -> None:
        """Stop the process where its time is up: reading from it and writing to it then end at once."""
        with self._lock:
            if self._deadline is not None and time.monotonic() > self._deadline and self.process is not None:
                self._late = True
                self.process.kill()

    @contextlib.contextmanager
    def _watched(self, seconds: float) -> Iterator[None]:
        """Give the process so many seconds for what is done inside."""
        with self._lock:
            self._deadline, self._late = time.monotonic() + seconds, False
        try:
            yield
        finally:
            with self._lock:
                self._deadline = None

    def _ready(self) -> subprocess.Popen[bytes]:
        """Return a process that runs, a new one where there is none."""
        if self.process is not None and self.process.poll() is None:
            return self.process
        self._reap()
        command = [sys.executable, "-m", "kunstkammer.web.inference.decoder", str(self._memory)]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), start_new_session=True
            )
        except OSError as error:
            raise ResourceError(f"No process can be started to read pictures: {error.strerror}.") from error
        self.process = process
        with self._watched(START_SECONDS):
            answer = None if process.stdout is None else read_frame(process.stdout.read)
        if answer is None:
            status = self._reap()
            raise ResourceError(f"The process that reads pictures ends when it starts (status {status}).")
        return process

    def _reap(self) -> int | None:
        """Close what is left of a process, and return its status."""
        process, self.process = self.process, None
        if process is None:
            return None
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            return process.wait(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _decoded(job: _Job, header: dict[str, Any], body: bytes) -> Decoded:
    small = header["thumbnail"]
    plates, place = [], small
    for shape in header["shapes"]:
        length = int(np.prod(shape))
        plates.append(np.frombuffer(body, np.uint8, length, place).reshape(shape))
        place += length
    sha256 = job.sha256 or hashlib.sha256(job.data).hexdigest()
    facts = Facts(sha256, bytes=len(job.data), **header["facts"])
    return Decoded(facts, body[:small], tuple(plates))


def _environment() -> dict[str, str]:
    """Return the environment of a process that reads pictures: it finds this very package, and starts no threads."""
    here = str(Path(kunstkammer.__file__).parents[1])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), **single}
