"""Keeps the process that does jobs alive, and answers what it asks of the desk."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kunstkammer
from kunstkammer.errors import KunstkammerError, PictureError
from kunstkammer.web.errors import Busy
from kunstkammer.web.house import DeskLike, StoreLike
from kunstkammer.web.jobs.process import Hello, put, take
from kunstkammer.web.settings import Settings

START_AGAIN = 1.0
"""Seconds before a process that died is replaced; each death in a row doubles them, up to a minute."""

log = logging.getLogger("kunstkammer.web")


class Keeper:
    """One worker process of a server, replaced when it dies.

    Args:
        settings: the server's.
        open_store: opens the store in the worker; a function that can be pickled by its name.
        store: the server's own, where the jobs of a dead worker are given up.
        desk: answers the worker, in the event loop that calls `start`.
    """

    def __init__(
        self, settings: Settings, open_store: Callable[[Settings], StoreLike], store: StoreLike, desk: DeskLike
    ) -> None:
        # The worker knows nobody's password.
        self._settings = settings.model_copy(update={"admin_password": None, "secret": None})
        self._open_store, self._store, self._desk = open_store, store, desk
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        self._asked: concurrent.futures.Future[Any] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="kunstkammer-jobs", daemon=True)

    @property
    def pid(self) -> int | None:
        """The worker's process id, None where none runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the process; does not wait for it."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self, seconds: float) -> None:
        """Let the step that runs end, for so long; what is not finished waits in the database."""
        self._stopping.set()
        self._tell("stop")
        await asyncio.to_thread(self._thread.join, seconds)
        if self._thread.is_alive():
            if self._process is not None:
                self._process.kill()
            if self._asked is not None:
                self._asked.cancel()
            await asyncio.to_thread(self._thread.join)

    def _keep(self) -> None:
        wait = START_AGAIN
        while not self._stopping.is_set():
            name = secrets.token_hex(8)
            answered = self._serve(name)
            if self._stopping.is_set():
                return
            wait = START_AGAIN if answered else min(2 * wait, 60.0)
            log.warning("The process that does jobs ended; another one is started in %g s.", wait)
            self._stopping.wait(wait)

    def _serve(self, name: str) -> bool:
        """Run one process to its end; returns whether it ever asked for anything."""
        answered = False
        command = [sys.executable, "-m", "kunstkammer.web.jobs.process"]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), start_new_session=True
            )
        except OSError as error:
            log.error("No process can be started to do jobs: %s.", error.strerror)
            return False
        self._process = process
        try:
            self._tell(Hello(name, self._open_store, self._settings))
            if self._stopping.is_set():
                self._tell("stop")
            assert process.stdout is not None
            while True:
                asked = take(process.stdout)  # type: ignore[arg-type]
                answered = True
                self._tell(self._answer(*asked))
        except (EOFError, OSError):
            pass
        finally:
            self._reap(process, name)
        return answered

    def _answer(self, what: str, *rest: Any) -> tuple[str, Any]:
        assert self._loop is not None
        if what == "cards":
            return "value", self._desk.cards()
        model, data, method, name = rest
        try:
            asking = self._desk.explain(model, data, method, name=name)
            self._asked = asyncio.run_coroutine_threadsafe(asking, self._loop)
            return "value", self._asked.result()
        except Busy as busy:
            return "busy", (str(busy), busy.retry_after)
        except PictureError as error:
            return "error", (KunstkammerError, f"The picture is not readable: {error.cause}.")
        except KunstkammerError as error:
            return "error", (type(error), str(error))
        except concurrent.futures.CancelledError:
            return "busy", ("The server is stopping.", 1.0)
        except Exception:
            log.exception("A fault in a job's question to the desk")
            return "error", (KunstkammerError, "Something that should not happen happened; it is in the server's log.")

    def _tell(self, value: Any) -> None:
        process = self._process
        with self._writing, contextlib.suppress(OSError, ValueError):  # it is gone: whoever reads from it sees that
            if process is not None and process.stdin is not None:
                put(process.stdin, value)  # type: ignore[arg-type]

    def _reap(self, process: subprocess.Popen[bytes], name: str) -> None:
        with self._writing:
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        try:
            self._store.jobs.abandon(name)
        except (KunstkammerError, OSError) as error:
            log.error("The job of a process that ended waits until its lease is over: %s", error)


def _environment() -> dict[str, str]:
    """Return the environment of the process: it finds this very package, and no secrets."""
    here = str(Path(kunstkammer.__file__).parents[1])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    secret = ("KUNSTKAMMER_ADMIN_PASSWORD", "KUNSTKAMMER_SECRET")
    kept = {name: value for name, value in os.environ.items() if name not in secret}
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
