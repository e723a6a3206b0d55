"""The distribution without torch: what is in its wheel, and a server on which nothing else can be imported."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile

import httpx
import numpy as np
import pytest

from kunstkammer.metrics.decisions import to_probabilities
from kunstkammer.pictures.plate import make_plate
from kunstkammer.web.inference.engines import open_engine
from tests.packaging.conftest import PYTHON, ROOT, answers, server
from tests.packaging.slim_only import allowed_distributions

SLIM = ROOT / "packaging" / "slim"


def project(folder) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_its_bounds_are_those_of_the_whole_and_it_brings_no_torch() -> None:
    slim, whole = project(SLIM), project(ROOT)
    known = {*whole["dependencies"], *(one for extra in whole["optional-dependencies"].values() for one in extra)}
    assert set(slim["dependencies"]) <= known
    assert slim["optional-dependencies"].items() <= whole["optional-dependencies"].items()
    heavy = {"torch", "transformers", "datasets", "accelerate", "scipy", "scikit-learn", "matplotlib", "pandas", "onnx"}
    assert not allowed_distributions() & heavy


def test_its_pins_are_those_of_the_whole_but_for_what_only_s3_needs() -> None:
    def pins(file) -> dict[str, str]:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "==" in line]
        return {name.lower(): version for name, version in (line.split("==") for line in lines)}

    slim, whole = pins(SLIM / "constraints.txt"), pins(ROOT / "constraints.txt")
    different = {name for name in slim.keys() & whole.keys() if slim[name] != whole[name]}
    assert different == {"python-dateutil"}
    assert {name.replace("_", "-") for name in slim} >= allowed_distributions() - {"tzdata"}


@pytest.mark.slow
def test_the_wheel_holds_the_source_and_nothing_of_the_machine(tmp_path) -> None:
    pytest.importorskip("hatchling")
    command = [PYTHON, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(SLIM)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (wheel,) = tmp_path.glob("kunstkammer_slim-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("web/app.py", "web/inference/onnx_engine.py", "recipes/demo.yaml", "LICENSE", "py.typed"):
        assert f"kunstkammer/{needed}" in names
    assert not [name for name in names if "__pycache__" in name or not name.startswith("kunstkammer")]


def test_a_host_without_torch_serves_what_the_run_says(exported, trained, pages, tmp_path) -> None:
    files = sorted((pages / "test").rglob("*.jpg"))[::4]
    command = [PYTHON, "-m", "tests.packaging.slim_only", "serve", str(exported), "--port", "0"]
    with server([*command, "--folder", str(tmp_path / "house")], KUNSTKAMMER_DECODERS="1") as url:
        assert httpx.get(f"{url}/api/v1/health").json()["models"] == {"comic-manga": True}
        assert httpx.get(url, headers={"accept": "text/html"}, follow_redirects=True).status_code == 200
        found = answers(url, files)
    engine = open_engine(trained)
    plates = np.stack([make_plate(file, engine.plate_settings, file.name) for file in files])
    assert engine.calibration is not None
    expected = to_probabilities(engine.logits(plates), multi_label=engine.multi_label)
    assert expected.std() > 0.05
    for row, said in zip(expected, found, strict=True):
        np.testing.assert_allclose([said[label] for label in engine.labels], row, atol=1e-4)


@pytest.mark.parametrize("words", [["train", "pages", "--out", "run"], ["predict", "run", "page.jpg"]])
def test_what_needs_torch_says_so(words, tmp_path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "run").mkdir()
    command = [PYTHON, "-m", "tests.packaging.slim_only", *words]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: this needs ")
    assert ran.stderr.count("\n") == 1
    assert "kunstkammer-slim only serves exported models" in ran.stderr
