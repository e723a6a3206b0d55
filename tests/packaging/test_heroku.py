"""Procfile and app.json: the line is really run, with what Heroku sets; the rest is read."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import httpx
import pytest

from kunstkammer.web.settings import PREFIX, Settings
from tests.packaging.conftest import ROOT, answers, server
from tests.web.store.conftest import new_database, postgres  # noqa: F401 - a fixture

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text(encoding="utf-8").splitlines() if line)


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]


def environment(tmp_path: Path, exported: Path, port: int) -> dict[str, str]:
    """What Heroku and app.json set. The command is the one of this environment."""
    command = tmp_path / "bin" / "kunstkammer"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\ncd {tmp_path}\nexec {sys.executable} -m tests.packaging.slim_only "$@"\n')
    command.chmod(0o755)
    return {
        "PATH": f"{command.parent}:/usr/bin:/bin",
        "PORT": str(port),
        "DATABASE_URL": "",
        "KUNSTKAMMER_RUNS": str(exported),
        "KUNSTKAMMER_SECRET": "s" * 64,
        "KUNSTKAMMER_ADMIN_PASSWORD": "a password of some length",
        "KUNSTKAMMER_DECODERS": "1",
    }


def test_the_web_process_starts_and_answers_on_the_port_that_it_is_given(exported, pages, tmp_path) -> None:
    port = free_port()
    files = sorted((pages / "test" / "manga").glob("*.jpg"))[:2]
    with server(PROCFILE["web"], **environment(tmp_path, exported, port)):
        health = httpx.get(f"http://127.0.0.1:{port}/api/v1/health")
        assert health.status_code == 200
        assert health.json()["ready"] is True
        assert len(answers(f"http://127.0.0.1:{port}", files)) == 2
        far = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        cookie = httpx.get(f"http://127.0.0.1:{port}/api/v1/session", headers=far).headers["set-cookie"]
        assert "secure" in cookie.lower()
    assert (tmp_path / "kunstkammer-web").is_dir()


def test_it_takes_the_database_in_the_spelling_that_heroku_gives(exported, pages, postgres, tmp_path) -> None:  # noqa: F811
    import psycopg

    port = free_port()
    url = new_database(postgres)
    values = environment(tmp_path, exported, port) | {"DATABASE_URL": url.replace("postgresql://", "postgres://")}
    with server(PROCFILE["web"], **values):
        answers(f"http://127.0.0.1:{port}", sorted((pages / "test" / "comic").glob("*.jpg"))[:1])
    with psycopg.connect(url) as connection:
        tables = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert {"pictures", "answers"} <= tables
        counts = [connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in sorted(tables)]
    assert sum(counts) > 1
    assert not list(tmp_path.rglob("*.db"))


def test_the_manifest_says_what_is_needed(tmp_path) -> None:
    manifest = json.loads((ROOT / "app.json").read_text(encoding="utf-8"))
    assert {"name", "description", "stack", "buildpacks", "formation", "addons", "env"} <= set(manifest)
    assert manifest["formation"]["web"]["quantity"] == 1
    assert any(addon["plan"].startswith("heroku-postgresql") for addon in manifest["addons"])
    for name, value in manifest["env"].items():
        assert name.startswith("AWS_") or name.removeprefix(PREFIX).lower() in Settings.model_fields, name
        assert value["description"]
    assert manifest["env"]["KUNSTKAMMER_SECRET"] == {
        "description": manifest["env"]["KUNSTKAMMER_SECRET"]["description"],
        "generator": "secret",
    }
    given = {name: str(value["value"]) for name, value in manifest["env"].items() if "value" in value}
    assert Settings.load({}, given).runs == ("model",)


def test_what_is_installed_there_is_the_server_without_torch() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith("#")]
    assert kept == ["--constraint packaging/slim/constraints.txt", "./packaging/slim[postgres,s3]"]
    for line in (ROOT / ".slugignore").read_text(encoding="utf-8").split():
        assert line not in ("src", "packaging", "LICENSE"), "needed to build the wheel"
        assert (ROOT / line).exists()


@pytest.mark.parametrize("name", ["PORT", "DATABASE_URL"])
def test_the_line_hands_on_what_heroku_sets(name) -> None:
    assert f'"${name}"' in PROCFILE["web"]
