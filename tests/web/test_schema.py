"""The OpenAPI description is exact: schemathesis asks a real server all that it allows, and finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kunstkammer.web.settings import Settings
from kunstkammer.web.store.store import Store
from tests.web.live import ROOT, live

DROPPING = ("drop_token", "unload")
"""What would end the token or the model that the others need; tried by themselves."""


def _schemathesis(place: Path, server_url: str, secret: str, *words: str) -> None:
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["--config-file", str(ROOT / "tests/web/schemathesis.toml"), "run", server_url + "/api/v1/openapi.json"]
    command += ["--header", f"Authorization: Bearer {secret}", "--seed", "1", "--no-color", *words]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.web.schema_hooks", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n".join(line[:500] for line in (done.stdout + done.stderr).splitlines())
    assert "No issues found" in done.stdout or "passed" in done.stdout


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    store = Store.open(Settings(folder=tmp_path))
    secret = store.make_token("schemathesis", admin=True)[1]
    store.close()
    with live(tmp_path, visitor_rate=10**7, all_rate=10**7) as server:
        excluded = [word for name in DROPPING for word in ("--exclude-operation-id", name)]
        _schemathesis(tmp_path, server.url, secret, "--max-examples", "10", *excluded)
        for name in DROPPING:
            words = ("--include-operation-id", name, "--max-examples", "5", "--phases", "coverage")
            # Without the token: 401 to everybody, and nobody loses anything.
            _schemathesis(
                tmp_path, server.url, "kk_no_such_token", *words, "--exclude-checks", "positive_data_acceptance"
            )
        assert "A fault in" not in server.said()
