"""`explain`: what holds for every method, and what the user is told when something is wrong."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kunstkammer import registry
from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import explain as plain_explain
from kunstkammer.explanation import fit_patterns
from kunstkammer.explanation.interface import option_names
from kunstkammer.explanation.task import Task

from .networks import vgg

# These follow attention, which the network of these tests has not; test_attention.py has theirs.
FOR_TRANSFORMERS = {"attention-rollout", "attention-gradient"}
METHODS = [
    method
    for method in registry.names("explainers")
    if not any(option_names(registry.get("explainers", method)).values()) and method not in FOR_TRANSFORMERS
]
# Fewer passes than by default, for what takes many.
QUICK: dict[str, dict[str, Any]] = {
    "integrated-gradients": {"steps": 4},
    "occlusion": {"window": 16},
    "prediction-difference": {"window": 16, "samples": 2},
    "smoothgrad": {"samples": 4},
}


def quick(model: nn.Module, pixels: Tensor, target: Any, method: str, **options: Any) -> Tensor:
    return explain(model, pixels, target, method, **QUICK.get(method, {}), **options)


PATTERNED = {m for m in METHODS if "patterns" in option_names(registry.get("explainers", m))}


def explain(model: nn.Module, pixels: Any, target: Any = None, method: str = "grad-cam", **options: Any) -> Tensor:
    """`explain`, with patterns for the methods that need some, always fitted on the same pictures."""
    if method in PATTERNED:
        generator = torch.Generator().manual_seed(2)
        options.setdefault("patterns", fit_patterns(model, [torch.randn(8, 3, 64, 64, generator=generator)]))
    return plain_explain(model, pixels, target, method, **options)


@pytest.fixture
def model() -> nn.Module:
    """A network in a state of its own: part training, part frozen, with gradients and a hook, that names labels."""
    torch.manual_seed(0)
    net = vgg()
    net[0].insert(1, nn.BatchNorm2d(4))
    net[1].append(nn.Dropout(0.5))
    net.train()
    net[0][1].eval()
    net[0][0].weight.requires_grad_(False)
    net(torch.rand(2, 3, 64, 64)).sum().backward()
    net[0][0].register_forward_hook(lambda *_: None)
    net.config = SimpleNamespace(label2id={"comic": 0, "manga": 1, "tabby, tabby cat": 2})
    return net


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def state(model: nn.Module) -> list[Any]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        {name: value.clone() for name, value in model.state_dict().items()},
        {
            name: (p.requires_grad, p.dtype, None if p.grad is None else p.grad.clone(), id(p))
            for name, p in model.named_parameters()
        },
        {
            name: (m.training, [list(getattr(m, h)) for h in hooks], sorted(vars(m)), id(m), type(m))
            for name, m in model.named_modules()
        },
    ]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_shape_and_type(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        for dtype in (torch.float32, torch.float64):
            relevance = quick(model.to(dtype), pixels.to(dtype), 1, method)
            assert relevance.dtype == dtype
            assert relevance.shape in {(3, 3, 64, 64), (3, 1, 64, 64)}
            assert relevance.isfinite().all()
            assert relevance.abs().sum() > 0
            assert not relevance.requires_grad

    def test_both_precisions_agree(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        single = quick(model, pixels, 1, method)
        double = quick(model.double(), pixels.double(), 1, method)
        torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4 * float(double.abs().max()))

    def test_the_model_is_left_as_it_was_found(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        before, given = state(model), pixels.clone()
        random = torch.get_rng_state()
        quick(model, pixels, None, method)
        assert same(before, state(model))
        assert torch.equal(pixels, given)
        assert torch.equal(random, torch.get_rng_state())

    def test_also_after_an_error_inside_it(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("inside")

        handle = model[1].register_forward_hook(fail)
        before = state(model)
        with pytest.raises(RuntimeError, match="inside"):
            quick(model, pixels, None, method)
        assert same(before, state(model))
        handle.remove()

    def test_the_same_twice(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        assert torch.equal(quick(model, pixels, 0, method), quick(model, pixels, 0, method))

    def test_a_picture_does_not_depend_on_its_batch(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        model, pixels = model.double(), pixels.double()
        whole = quick(model, pixels, [0, 1, 2], method)
        torch.testing.assert_close(quick(model, pixels, [0, 1, 2], method, batch_size=2), whole)
        torch.testing.assert_close(quick(model, pixels[2:], 2, method), whole[2:])

    def test_the_predicted_class_is_explained_by_default(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        predicted = copy.deepcopy(model).eval()(pixels).argmax(dim=1)
        assert torch.equal(quick(model, pixels, None, method), quick(model, pixels, predicted, method))

    def test_gradient_modes_around_it_do_not_matter(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        plain = quick(model, pixels, 1, method)
        with torch.no_grad():
            assert torch.equal(quick(model, pixels, 1, method), plain)
        with torch.inference_mode():
            assert torch.equal(quick(model, pixels * 1, 1, method), plain)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(quick(model, pixels, 1, method), plain)
        assert torch.equal(quick(model, pixels.requires_grad_(), 1, method), plain)

    def test_an_unknown_option_is_refused(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        with pytest.raises(UnknownNameError, match=rf"no option of {method} 'bach_size'\. Did you mean 'batch_size'\?"):
            quick(model, pixels, None, method, bach_size=2)


def test_an_unknown_method_is_refused(model: nn.Module, pixels: Tensor) -> None:
    with pytest.raises(UnknownNameError, match=r"no explainer 'gradcam'\. Did you mean 'grad-cam'\?"):
        explain(model, pixels, method="gradcam")


def test_a_missing_option_is_named(model: nn.Module, pixels: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def needs(task: Task, *, patterns: Any) -> Tensor:
        return task.pixels

    entry = registry.Entry("needs", "", needs)
    monkeypatch.setitem(registry._entries["explainers"], "needs", entry)
    with pytest.raises(ModelError, match="needs the option 'patterns'"):
        explain(model, pixels, method="needs")


class TestTarget:
    @pytest.mark.parametrize(
        "target", [1, "manga", "Manga", np.int64(1), torch.tensor(1), [1, 1, 1], ("manga", 1, 1), np.array([1, 1, 1])]
    )
    def test_all_ways_to_say_it(self, target: Any, model: nn.Module, pixels: Tensor) -> None:
        expected = explain(model, pixels, torch.tensor([1, 1, 1]), "gradient")
        assert torch.equal(explain(model, pixels, target, "gradient"), expected)

    def test_one_each(self, model: nn.Module, pixels: Tensor) -> None:
        mixed = explain(model, pixels, [2, "comic", "tabby"], "gradient", batch_size=1)
        for number, target in enumerate((2, 0, 2)):
            torch.testing.assert_close(
                mixed[number], explain(model, pixels[number : number + 1], target, "gradient")[0]
            )

    @pytest.mark.parametrize(
        ("target", "error", "message"),
        [
            ("mangaa", UnknownNameError, r"no label 'mangaa'\. Did you mean 'manga'\?"),
            (3, ModelError, r"no class 3: the model has 3, numbered 0 to 2"),
            (-1, ModelError, r"no class -1"),
            ([0, 1], ModelError, r"2 targets for 3 pictures"),
            (1.5, ModelError, r"1\.5 is not a class"),
            (True, ModelError, r"True is not a class"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, target: Any, error: type[Exception], message: str, model: nn.Module, pixels: Tensor
    ) -> None:
        with pytest.raises(error, match=message):
            explain(model, pixels, target)

    def test_a_label_needs_a_model_that_names_labels(self, pixels: Tensor) -> None:
        with pytest.raises(ModelError, match="Sequential names no labels"):
            explain(vgg(), pixels, "manga")

    def test_changed_pictures_are_scored_for_the_class_of_the_picture_itself(
        self, model: nn.Module, pixels: Tensor
    ) -> None:
        model.eval()
        with torch.no_grad():
            task = Task(model, pixels, None)
            versions = torch.cat([pixels * -3, pixels])
            expected = model(versions)[torch.arange(6), model(pixels).argmax(dim=1).repeat(2)]
            assert torch.equal(task.score(versions), expected)


class TestWhatIsNoInput:
    @pytest.fixture
    def bad(self) -> list[tuple[Any, str]]:
        return [
            (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "normalised floats, not uint8"),
            (torch.zeros(3, 64, 64), r"not of shape \(3, 64, 64\)"),
            (torch.zeros(0, 3, 64, 64), "at least one picture"),
            (np.zeros((1, 3, 64, 64)), "not a ndarray"),
        ]

    def test_pixels(self, model: nn.Module, bad: list[tuple[Any, str]]) -> None:
        for pixels, message in bad:
            with pytest.raises(ModelError, match=message):
                explain(model, pixels)

    def test_a_model_that_is_no_classifier(self, pixels: Tensor) -> None:
        with pytest.raises(ModelError, match=r"Conv2d returns logits of shape \(3, 1, 62, 62\)"):
            explain(nn.Conv2d(3, 1, 3), pixels, method="gradient")

    def test_a_batch_size_of_nothing(self, model: nn.Module, pixels: Tensor) -> None:
        with pytest.raises(ModelError, match="batch_size is 0"):
            explain(model, pixels, batch_size=0)
