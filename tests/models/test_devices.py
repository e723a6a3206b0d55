"""Where networks run: one function decides, every command takes the option, and what is not there is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kunstkammer as kk
from kunstkammer.errors import ModelError
from kunstkammer.models import devices
from kunstkammer.models.devices import VARIABLE, choose_device
from kunstkammer.web.inference.served import open_served
from kunstkammer.workflows.preferred import preferred
from tests.cli.command import run as command
from tests.conftest import write_collection

TINY = {
    "training.epochs": 1, "picture.size": 32, "model.name": "sketchnet",
    "model.options": {"stages": [[4], [8]], "dense": 8}, "augmentation": [],
    "evaluation.resamples": 100, "evaluation.pictures": 1, "evaluation.stability": 0,
}  # fmt: skip
FROZEN = {**TINY, "model.train": "frozen"}
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_collection(tmp_path_factory.mktemp("devices") / "pictures", each=20, size=40)


@pytest.fixture(scope="module")
def trained(data) -> Path:
    return kk.train(data, "comic-manga", out=data.parent / "run", settings=TINY, device="cpu").report.parent


def here(monkeypatch, *names: str) -> None:
    monkeypatch.setattr(devices, "devices_here", lambda: list(names))


@pytest.mark.parametrize(
    ("there", "asked", "chosen"),
    [
        (("cpu",), None, "cpu"),
        (("cpu",), "auto", "cpu"),
        (("cpu", "cuda"), "auto", "cuda:0"),
        (("cpu", "cuda"), None, "cuda:0"),
        (("cpu", "cuda"), "cpu", "cpu"),
        (("cpu", "cuda"), "cuda", "cuda:0"),
        (("cpu", "mps"), "auto", "cpu"),
        (("cpu", "mps"), "mps", "mps"),
    ],
)
def test_one_function_decides(monkeypatch, there, asked, chosen):
    monkeypatch.delenv(VARIABLE, raising=False)
    here(monkeypatch, *there)
    assert str(choose_device(asked)) == chosen


def test_the_environment_counts_where_no_device_is_named(monkeypatch):
    here(monkeypatch, "cpu", "cuda")
    monkeypatch.setenv(VARIABLE, "cpu")
    assert str(choose_device()) == "cpu"
    assert str(choose_device("auto")) == "cuda:0"
    monkeypatch.setenv(VARIABLE, "")
    assert str(choose_device()) == "cuda:0"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("cdua", "There is no device 'cdua'. Did you mean 'cuda'"),
        ("meta", "There is no device 'meta'."),
        ("cuda:1", "There is no device 'cuda:1'. Did you mean 'cuda'"),
        ("cuda", "The device 'cuda' is not there. This machine has: cpu; or say auto."),
        ("", "There is no device ''."),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(monkeypatch, named, message):
    here(monkeypatch, "cpu")
    with pytest.raises(ModelError) as caught:
        choose_device(named)
    assert message in str(caught.value)
    assert "This machine has: cpu" in str(caught.value)


def test_a_wrong_environment_names_the_variable(monkeypatch):
    here(monkeypatch, "cpu")
    monkeypatch.setenv(VARIABLE, "gpu")
    with pytest.raises(ModelError, match="no device 'gpu' \\(from KUNSTKAMMER_DEVICE\\)"):
        choose_device()


def a_picture(data: Path) -> Path:
    return next(data.rglob("*.png"))


def steps(trained: Path, data: Path, out: Path, device: str) -> dict[str, Callable[[], Any]]:
    """Return every function that runs a network, on the smallest thing it takes."""
    two = {"pictures": 6, "steps": 2, "points": 2, "signals": 0, "method": "gradient,pattern-net,occlusion,lrp-z"}
    quick = {"recipe": "comic-manga", "settings": TINY, "device": device}
    return {
        "predict": lambda: kk.predict(trained, a_picture(data), device=device),
        "evaluate": lambda: kk.evaluate(trained, data, out=out / "e", split="all", stability=4, device=device),
        "evaluate two": lambda: kk.evaluate(trained, data, data, out=out / "e2", split="all", device=device),
        "explain": lambda: kk.explain(trained, a_picture(data), out=out / "x", method="all", device=device),
        "preferred": lambda: preferred(trained, "dark", out=out / "p", steps=2, device=device),
        "quality": lambda: kk.explain_quality(trained, data, out=out / "q", patch=8, device=device, **two),
        "fit-patterns": lambda: kk.fit_patterns(trained, data, device=device),
        "fit-neighbours": lambda: kk.fit_neighbours(trained, data, device=device),
        "train": lambda: kk.train(data, out=out / "t", **quick),
        "train frozen": lambda: kk.train(data, out=out / "f", **(quick | {"settings": FROZEN})),
        "transfer": lambda: kk.transfer(data, data, out=out / "tr", seeds=1, conditions=["coral"], **quick),
        "export": lambda: kk.export(trained, out=out / "onnx", device=device),
        "serve": lambda: open_served(trained, "run", device),
    }


NAMES = list(steps(Path(), Path(), Path(), ""))


@pytest.mark.parametrize("name", NAMES)
def test_every_path_takes_the_device_that_it_is_told(name, trained, data, tmp_path, monkeypatch):
    if name == "export":
        pytest.importorskip("onnxruntime")
    # Whoever forgets to hand the option on asks the environment, and fails.
    monkeypatch.setenv(VARIABLE, "forgotten")
    steps(trained, data, tmp_path, "cpu")[name]()


@pytest.mark.parametrize("name", NAMES)
def test_no_path_begins_on_a_device_that_is_not_there(name, trained, data, tmp_path):
    with pytest.raises(ModelError, match="no device 'meta'"):
        steps(trained, data, tmp_path, "meta")[name]()
    assert not [path for path in tmp_path.iterdir() if path.name not in ("e", "e2", "x")]


def test_demo_and_serve_refuse_before_they_begin(trained, tmp_path):
    with pytest.raises(ModelError, match="no device 'meta'"):
        kk.demo(tmp_path / "demo", n=60, device="meta")
    with pytest.raises(ModelError, match="no device 'meta'"):
        kk.serve(trained, folder=tmp_path / "web", port=0, device="meta")
    assert not list(tmp_path.iterdir())


def test_a_run_says_where_it_learned_and_its_recipe_does_not(trained):
    assert json.loads((trained / "run.json").read_text())["training"]["device"] == "cpu"
    assert "device" not in (trained / "recipe.yaml").read_text()
    assert kk.open_run(trained, device="cpu").device == torch.device("cpu")


def test_the_command_takes_the_option_and_says_what_is_wrong(trained, data):
    said = command("predict", str(trained), str(a_picture(data)), "--device", "cdu", "--json")
    assert said.status == 1
    assert "There is no device 'cdu'. Did you mean 'cpu'" in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    ["predict", "evaluate", "explain", "explain-quality", "fit-patterns", "fit-neighbours", "transfer", "train",
     "serve", "export", "demo"],
)  # fmt: skip
def test_every_command_has_the_option(name):
    from typer.main import get_command

    from kunstkammer.cli.app import app

    options = [option for one in get_command(app).commands[name].params for option in one.opts]  # type: ignore[attr-defined]
    assert "--device" in options


@NO_CUDA
@pytest.mark.parametrize("name", NAMES)
def test_every_path_runs_on_cuda(name, trained, data, tmp_path):
    steps(trained, data, tmp_path, "cuda")[name]()


@NO_CUDA
def test_cuda_gives_the_answers_and_the_maps_of_the_processor(trained, data, tmp_path):
    there, here = (kk.predict(trained, data, device=one).predictions.probabilities for one in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=1e-5)
    maps = []
    for device in ("cuda", "cpu"):
        found = kk.explain(trained, a_picture(data), out=tmp_path / device, method="gradient", device=device)
        maps.append(np.load(found.to_json()["maps"][0]["array"]))
    np.testing.assert_allclose(*maps, atol=1e-5 * np.abs(maps[1]).max())
