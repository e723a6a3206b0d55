"""A PostgreSQL of the tests' own: Debian's server in a temporary folder, on a free port, never as root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = "postgres"
"""Who runs it when the tests run as root: Debian's package makes this user."""


def find_programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`, None where they are not installed."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server and yield its URL without a database's name; skip where it cannot be had."""
    psycopg = pytest.importorskip("psycopg")
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql)")
    who = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="kunstkammer-postgres-", dir=_in_memory()))
    try:
        if who:
            try:
                shutil.chown(folder, USER, USER)
            except LookupError:
                pytest.skip(f"PostgreSQL does not run as root, and there is no user {USER}")
        data = folder / "data"
        init = [programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(init, check=True, capture_output=True, cwd=folder, **who)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # What the machine has written does not have to outlive the machine here: only our processes are killed.
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off", "-c", "max_connections=200"]
        with open(folder / "log", "w") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], cwd=folder, stdout=log, stderr=log, **who
            )
        try:
            url = f"postgresql://tester@127.0.0.1:{port}"
            _wait(psycopg, url, server, folder / "log")
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)  # nothing of it is needed any more
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_memory() -> str | None:
    """Return a place in memory with room for a server, which spares the disk; None where there is none."""
    shm = "/dev/shm"
    return shm if os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 2 * 2**30 else None


def _wait(psycopg, url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"{url}/postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.1)
