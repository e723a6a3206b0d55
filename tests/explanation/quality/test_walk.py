"""The walk over pictures: what finds the evidence is seen, partial work is used again, errors are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation.quality.cascades import run_cascades
from kunstkammer.explanation.quality.figures import cascade_figure, curves_figure, panels_of
from kunstkammer.explanation.quality.plan import Plan, Subject, budget_of, check_plan, methods_asked, rows_at_once
from kunstkammer.explanation.quality.store import Store
from kunstkammer.explanation.quality.walk import Walk
from kunstkammer.pictures.detections import Detections
from tests.explanation.networks import square_detector, squares, vgg

METHODS = ("gradient-x-input", "occlusion", "lrp-epsilon")


def walk(model: nn.Module, pixels: torch.Tensor, plan: Plan, boxes=None) -> Walk:
    with torch.no_grad():
        predicted = model(pixels).argmax(dim=1).numpy()
    return Walk(Subject(model), plan, lambda rows: pixels[rows], len(pixels), predicted, 1 - predicted, boxes)


@pytest.fixture
def scene() -> tuple[nn.Module, torch.Tensor, list]:
    places = [(9, 9), (27, 18), (36, 36), (9, 36), (45, 27), (18, 45)]
    boxes = [Detections([(c - 3, r - 3, c + 15, r + 15)]) for r, c in places]
    return square_detector(), 8 * squares(places), boxes


def test_the_evidence_is_found_and_lies_in_the_boxes(scene, tmp_path):
    model, pixels, boxes = scene
    plan = Plan(METHODS, steps=20, points=5, fill="inpaint", checked=4)
    seen = []
    found = walk(model, pixels, plan, boxes).run(Store(tmp_path / "store", {}), seen.append)
    assert sum(seen) == len(pixels) * len(METHODS)
    assert found["random"].shape == found["most/occlusion"].shape == (6, 5)
    assert found["most/occlusion"].mean() < found["random"].mean() < found["least/occlusion"].mean()
    assert found["points/occlusion"].all()
    assert found["energy/gradient-x-input"].min() > 0.9
    assert found["kept/lrp-epsilon"] == pytest.approx(np.ones(6), abs=0.02)
    assert found["classes/occlusion"].shape == (4,)
    assert found["classes/occlusion"].tolist() == [0, 0, 0, 0]  # a bright square says nothing to the dark class


def test_a_map_that_only_changes_its_sign_with_the_logit_is_the_same_map(tmp_path):
    torch.manual_seed(0)
    model, pixels = vgg().eval(), torch.randn(6, 3, 64, 64)
    logits = model(pixels)
    signs = logits.argmax(dim=1), logits.argmin(dim=1)
    assert (logits.gather(1, signs[1][:, None]) < 0).any()
    plan = Plan(("lrp-flat",), steps=2, points=2, checked=6)  # as strong at every place, whatever the class
    for two, expected in ((False, 0.999), (True, -0.999)):
        rows = lambda where: pixels[where]  # noqa: E731
        walk = Walk(Subject(model), plan, rows, 6, signs[0].numpy(), signs[1].numpy(), None, two)
        found = walk.run(Store(tmp_path / str(two), {}), lambda n: None)["classes/lrp-flat"]
        assert (found.min() > expected) if not two else (found.min() < expected)


def test_what_is_done_is_not_done_again_and_another_plan_finds_nothing(scene, tmp_path, monkeypatch):
    model, pixels, _ = scene
    plan = Plan(("gradient-x-input",), steps=4, points=2, checked=0)
    first = walk(model, pixels, plan).run(Store(tmp_path / "s", {"plan": 1}), lambda n: None)
    again = walk(model, pixels, plan)
    monkeypatch.setattr(again, "_part", lambda rows, advance: pytest.fail("measured again"))
    second = again.run(Store(tmp_path / "s", {"plan": 1}), lambda n: None)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)
    other = Store(tmp_path / "s", {"plan": 2})
    assert not other.has("pictures-000000")
    (file,) = (tmp_path / "s").rglob("*.npz")
    file.write_bytes(b"broken")
    store = Store(tmp_path / "s", {"plan": 1})
    walk(model, pixels, plan).run(store, lambda n: None)  # a damaged file is made again
    store.clear()
    assert not (tmp_path / "s").exists()


class Sorted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = vgg()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(torch.sort(x, dim=3).values)[:, :2]


def test_a_layer_that_no_rule_covers_is_named_and_the_others_go_on(tmp_path):
    torch.manual_seed(0)
    model, pixels = Sorted().eval(), torch.randn(3, 3, 64, 64)
    tried = walk(model, pixels, Plan(("gradient", "lrp-epsilon"), steps=3, points=2))
    found = tried.run(Store(tmp_path / "s", {}), lambda n: None)
    assert list(tried.left_out) == ["lrp-epsilon"]
    assert "sort" in tried.left_out["lrp-epsilon"]
    assert "most/gradient" in found
    assert not [key for key in found if key.endswith("lrp-epsilon")]
    again = walk(model, pixels, Plan(("gradient", "lrp-epsilon"), steps=3, points=2))
    again.run(Store(tmp_path / "s", {}), lambda n: None)
    assert again.left_out == tried.left_out  # also where it comes from the store


def test_cascades_tell_methods_apart(tmp_path):
    torch.manual_seed(0)
    model, pixels = vgg().eval(), torch.randn(4, 3, 64, 64)
    plan = Plan(("gradient", "occlusion", "attention-rollout"), cascade=3)
    found, failed = run_cascades(
        Subject(model), plan, pixels, np.zeros(4, np.int64), Store(tmp_path / "s", {}), lambda n: None
    )
    assert list(failed) == ["attention-rollout"]
    assert [layer for layer, _ in found["gradient"]] == ["1.1", "0.3", "0.0"]
    assert [layer for layer, _ in found["occlusion"]] == ["1.1", "0.0"]  # of a slow one both ends only
    assert abs(found["gradient"][-1][1].mean()) < 0.3
    figure = cascade_figure({k: [(a, float(b.mean())) for a, b in v] for k, v in found.items()}, 0.5)
    assert min(figure.size) > 200


def test_what_cannot_be_asked_says_so():
    with pytest.raises(UnknownNameError, match="Did you mean 'occlusion'"):
        methods_asked("occlusoin")
    with pytest.raises(ModelError, match="No method is named"):
        methods_asked(" , ")
    with pytest.raises(ModelError, match=r"28 x 28 pixels, smaller than a patch of 30"):
        check_plan(Plan(("gradient",), patch=30), (28, 28))
    with pytest.raises(UnknownNameError, match="Did you mean 'inpaint'"):
        check_plan(Plan(("gradient",), fill="inpant"), (28, 28))
    with pytest.raises(UnknownNameError, match="absolute, signed"):
        check_plan(Plan(("gradient",), relevance="none"), (28, 28))
    assert methods_asked("occlusion, gradient") == ("gradient", "occlusion")
    assert budget_of("occlusion", (28, 28)).options == {"window": 4, "stride": 4}
    assert rows_at_once((3, 2000, 2000)) == 4


def test_figures_name_every_line():
    random = np.random.default_rng(0)
    methods = ["gradient", "pattern-net", "occlusion", "my-own", "attention-lrp"]
    assert panels_of(methods)["others"] == ["my-own"]
    assert "attention" not in panels_of(methods)
    assert "patterns" not in panels_of(["gradient"])
    curves = {name: np.sort(random.random((5, 4)))[:, ::-1] for name in ["random", *methods]}
    for order in ("most", "least"):
        figure = curves_figure(curves, [0, 3, 6, 9], order=order)
        assert figure.width > 1000
