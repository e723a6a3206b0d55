"""A real server in a process of its own: the real store, and a desk in memory that answers at once (or slowly).

python -m tests.web.live FOLDER SECONDS [setting=value ...]
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Live:
    """A running server: its address, and its process."""

    def __init__(self, folder: Path, seconds: float = 0.0, **settings: object) -> None:
        words = [f"{name}={value}" for name, value in settings.items()]
        command = [sys.executable, "-m", "tests.web.live", str(folder), str(seconds), *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
        # Into a file: a pipe that nobody reads is full after a thousand lines of the log, and holds the server up.
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - as long as the server
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._said, text=True, cwd=ROOT, env=environment
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(self.said())
        self.url = line.split()[-1]
        self.host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.port = int(port)

    def said(self) -> str:
        """Return what it wrote to stderr."""
        self._said.seek(0)
        return self._said.read()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 20.0) -> tuple[int, str]:
        """Ask it to stop; returns its exit status and what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds), self.said()


@contextlib.contextmanager
def live(folder: Path, seconds: float = 0.0, **settings: object) -> Iterator[Live]:
    """Run a server for the block."""
    server = Live(folder, seconds, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
        assert server.process.stdout is not None
        server.process.stdout.close()


def main() -> None:
    """Be the server."""
    from kunstkammer.web import app
    from kunstkammer.web.serve import serve
    from tests.web.fakes import FakeDesk

    folder, seconds, *words = sys.argv[1:]
    settings = {"port": "0", **dict(word.split("=", 1) for word in words)}
    if settings.pop("reads", "") == "truly":
        serve(folder=folder, admin_password="none", **settings)
        return
    desk = FakeDesk()
    desk.seconds = float(seconds)
    app._make_desk = lambda settings: desk
    serve("fake", folder=folder, **settings)


if __name__ == "__main__":
    main()
