"""The command `serve`: the application on a port, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import gc
import logging
import logging.handlers
import queue
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from kunstkammer.errors import RecipeError, ResourceError
from kunstkammer.progress import say
from kunstkammer.web.settings import Settings

LOG_LINES = 10_000
"""That may wait to be written."""
_OPEN = """\
############################################################################
  This server is open to the network at {host}, and there is no admin's
  password. Whoever reaches it may upload pictures and ask the models; what
  others uploaded stays hidden from them. Set KUNSTKAMMER_ADMIN_PASSWORD to
  have an admin, or serve on 127.0.0.1 behind a proxy that asks who comes.
############################################################################"""


def serve(*runs: str | Path, **settings: Any) -> None:
    """Serve models as a page and an API until SIGTERM or Ctrl-C; what runs then is finished first.

    `runs`: run folders or exported folders; `settings`: any of `kunstkammer.web.settings.Settings` by name; what is
    not given comes from the environment (`KUNSTKAMMER_PORT` ...). Prints the address on stdout once it answers.

    Raises `RecipeError` for a setting that cannot be, `ResourceError` for a port that is taken or a folder that
    cannot be written.
    """
    held = Settings.load({"runs": tuple(map(str, runs)) or None, **settings})
    if not held.runs and held.admin_password is None:
        raise RecipeError("Name at least one run to serve, or set an admin's password to load models later.")
    if held.device not in ("", "auto", "cpu"):  # those need no torch to be known
        from kunstkammer.models.devices import choose_device

        choose_device(held.device)  # a device that is not there is named before anything is served
    with _log_to_stderr(), contextlib.closing(_bound(held.host, held.port)) as line:
        from kunstkammer.web.doors.origin import is_loopback

        if not is_loopback(held.host) and held.admin_password is None:
            say(_OPEN.format(host=held.host))
        asyncio.run(_serve(held, line))


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket on the port, before anything slow is opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: asyncio sets TCP_NODELAY on such lines alone, and each answer would wait 40 ms without it.
    line = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((host, port))
    except OSError as error:
        line.close()
        if error.errno == errno.EADDRINUSE:
            raise ResourceError(
                f"Port {port} of {host} is taken; choose another with --port, or 0 for any that is free."
            ) from error
        if error.errno == errno.EACCES:
            raise ResourceError(f"Port {port} may not be used by this user; choose one from 1024 on.") from error
        raise ResourceError(
            f"Cannot listen at {host}: {error.strerror or error}; name an address of this machine."
        ) from error
    return line


async def _serve(settings: Settings, line: socket.socket) -> None:
    import uvicorn

    from kunstkammer.web.app import create_app
    from kunstkammer.web.doors.protocol import PatientProtocol

    app = create_app(settings)

    class Server(uvicorn.Server):
        """Tells where it is once it answers, says 503 to what is new once it stops, and then ends in peace."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            sys.stdout.write(f"Kunstkammer is at {_address(settings.host, line)}\n")
            sys.stdout.flush()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
            # Uvicorn raises the signal again at the end, and the process would die of it: a failure to whoever looks.
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit
            self.should_exit = app.state.stopping = True

    config = uvicorn.Config(
        app,
        http=functools.partial(PatientProtocol, seconds=settings.read_seconds, most=settings.connections),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )
    # Around the server rather than by it: what fails at the start is then an error with a name.
    async with app.router.lifespan_context(app):
        _tell(app.state.house.desk.cards())
        # The libraries' million objects live as long as the process: looking through them again and again, as Python's
        # collector does when many requests are open, took as long as the model did.
        gc.collect()
        gc.freeze()
        await Server(config).serve(sockets=[line])
    say("Stopped.")


def _tell(cards: tuple[Any, ...]) -> None:
    for card in cards:
        say(f"{card.name}: " + (f"BROKEN, {card.broken}" if card.broken else f"{len(card.labels)} labels"))
    if not cards:
        say("No model is served yet; the admin can load one.")


def _address(host: str, line: socket.socket) -> str:
    port = line.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Patiently(logging.handlers.QueueHandler):
    """Leaves a line out rather than let the server wait for whoever should read the log and does not."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)  # type: ignore[union-attr]


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Write the log in a thread of its own for the block."""
    writer = logging.StreamHandler()
    writer.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(LOG_LINES)
    listener = logging.handlers.QueueListener(lines, writer)
    for name, level in (("kunstkammer.web", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Patiently(lines)], False
        logger.setLevel(level)
    listener.start()
    try:
        yield
    finally:
        listener.stop()
