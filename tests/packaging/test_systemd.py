"""The unit: systemd's own check, the locks that matter, and settings that exist."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess

import pytest

from kunstkammer.web.settings import PREFIX, Settings
from tests.packaging.conftest import ROOT

UNIT = ROOT / "packaging" / "systemd" / "kunstkammer.service"


@pytest.fixture
def analyze():
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed here")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *words], capture_output=True, text=True, check=False)

    return run


def test_systemd_finds_nothing_wrong(analyze, tmp_path) -> None:
    copy = tmp_path / UNIT.name
    text, found = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"))
    assert found == 1
    copy.write_text(text)
    ran = analyze("verify", "--man=no", str(copy))
    assert (ran.returncode, [line for line in ran.stderr.splitlines() if UNIT.name in line]) == (0, [])


def test_it_is_locked_in(analyze) -> None:
    ran = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"exposure level for \S+: (\d+\.\d+)", ran.stdout)
    if found is None:
        pytest.skip("this systemd cannot judge a unit that is not loaded")
    assert float(found[1]) <= 2.0


def test_the_locks_and_the_settings() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    service = parser["Service"]
    for key, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "StateDirectory": "kunstkammer",
        "CapabilityBoundingSet": "",
    }.items():
        assert service[key] == value
    named = set(re.findall(r"KUNSTKAMMER_[A-Z_]+", UNIT.read_text(encoding="utf-8"))) - {"KUNSTKAMMER_CACHE"}
    assert {name.removeprefix(PREFIX).lower() for name in named} <= set(Settings.model_fields)
