"""What the tests of packaging share: the source's files, an exported model, a server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import kunstkammer as kk
from tests.web.conftest import page, pages, trained  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> Path:  # noqa: F811
    """A small model that tells comic from manga, exported."""
    return kk.export(trained, out=tmp_path_factory.mktemp("exported") / "comic-manga").out


@contextmanager
def server(command: list[str] | str, **environment: str) -> Iterator[str]:
    """Run a command that serves, as a shell does where it is a text, and yield the address that it prints."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KUNSTKAMMER_WEB")}
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            ["bash", "-c", command] if isinstance(command, str) else command,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env={**plain, "PYTHONPATH": paths, **environment},
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if "http" not in line:
                process.wait(10)
                said.seek(0)
                raise RuntimeError(f"{command} did not serve: {said.read()}")
            yield line.split()[-1]
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def answers(url: str, files: list[Path]) -> list[dict[str, float]]:
    """Upload pictures by HTTP, as a page does, and return the probability of each label for each of them."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as visitor:
        headers = {"X-CSRF-Token": visitor.get("/session").json()["csrf"]}
        sent = visitor.post("/pictures", files=[("files", (f.name, f.read_bytes())) for f in files], headers=headers)
        assert sent.status_code == 201, sent.text
        found = []
        for picture in sent.json()["pictures"]:
            said = visitor.post(f"/pictures/{picture['id']}/predictions", headers=headers)
            assert said.is_success, said.text
            found.append({score["label"]: score["probability"] for score in said.json()["scores"]})
    return found


PYTHON = sys.executable
