"""Prediction difference analysis: the normal it draws from, the odds, and evidence whose place is known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain
from kunstkammer.explanation.patch_normal import PatchNormal
from kunstkammer.explanation.prediction_difference import log_odds_parts
from kunstkammer.explanation.task import Task

from .networks import build, square_detector, squares, vgg

METHOD = "prediction-difference"


class TestNormal:
    def test_conditional_of_a_known_normal(self) -> None:
        # A 2 x 2 patch, window the upper left pixel: the textbook formula.
        covariance = torch.tensor([[2.0, 0.8, 0.5, 0.1], [0.8, 1, 0.2, 0.1], [0.5, 0.2, 1, 0.3], [0.1, 0.1, 0.3, 1]])
        covariance, mean = covariance.double(), torch.tensor([1.0, 2, 3, 4]).double()
        normal = PatchNormal(mean[None], covariance[None], side=1, patch=2)
        picture = torch.tensor([[[9.0, 2.5], [2.0, 5.0]]])
        found, root = normal.given(picture, 0, 0)
        rest = covariance[1:, 1:].inverse()
        expected = 1 + covariance[0, 1:] @ rest @ torch.tensor([0.5, -1.0, 1.0]).double()
        torch.testing.assert_close(found[0, 0], expected)
        torch.testing.assert_close(root[0, 0, 0] ** 2, 2 - covariance[0, 1:] @ rest @ covariance[1:, 0])

    def test_smooth_pictures_are_filled_in_smoothly(self) -> None:
        ramp = torch.linspace(-1, 1, 40)
        picture = (ramp[:, None] + ramp[None, :])[None].expand(2, -1, -1) + 0.01 * torch.randn(
            2, 40, 40, generator=torch.Generator().manual_seed(0)
        )
        normal = PatchNormal.fit(picture[None], 6, 2)
        for top, left in ((0, 0), (17, 9), (34, 34)):
            mean, _ = normal.given(picture, top, left)
            truth = picture[:, top : top + 6, left : left + 6].flatten(1)
            assert float((mean - truth).abs().mean()) < 0.1

    def test_patches_as_large_as_the_picture(self) -> None:
        mean, root = PatchNormal.fit(torch.ones(1, 1, 5, 5), 5, 2).given(torch.ones(1, 5, 5), 0, 0)
        torch.testing.assert_close(mean, torch.ones(1, 25).double())
        assert root.isfinite().all()
        with pytest.raises(ModelError, match="4 x 9 are smaller than a window of 5"):
            PatchNormal.fit(torch.ones(1, 1, 4, 9), 5, 2)


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("many", [False, True])
def test_odds(classes: int, many: bool) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, classes)).double()
    if many:
        model.config = SimpleNamespace(problem_type="multi_label_classification")
    pixels = torch.randn(3, 1, 2, 2).double()
    target = torch.tensor([0, classes - 1, 0])
    log_p, log_q = log_odds_parts(Task(model, pixels, target), torch.cat([pixels, -pixels]))
    logits = model(torch.cat([pixels, -pixels]))
    p = logits.sigmoid() if many or classes == 1 else logits.softmax(dim=1)
    p = p[torch.arange(6), target.repeat(2)].reshape(2, 3)
    torch.testing.assert_close(log_p[..., 0].exp(), p)
    torch.testing.assert_close(log_q[..., 0].exp(), 1 - p)


def test_certain_answers_have_finite_odds() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(3, 4) * 500)
    found = explain(model, torch.rand(1, 1, 2, 2, generator=torch.Generator().manual_seed(0)), 0, METHOD, window=1)
    assert found.isfinite().all()
    assert found.abs().max() > 0


def test_what_the_surroundings_foretell_is_no_evidence() -> None:
    """The square's inside follows from its border, a covered window does not: the paper's point against occlusion."""
    model, pixels = square_detector(), squares([(24, 24)])
    relevance = explain(model, pixels, 1, METHOD, window=8, stride=4)
    assert relevance[0, 0, 20:40, 20:40].sum() > 0.9 * relevance.clamp(min=0).sum() > 0
    far = relevance[0, 0, :12].abs().max()
    assert float(far) < 0.1 * float(relevance.max())


@pytest.mark.parametrize("name", ["resnet-basic", "mobilenet-v2", "vit", "swin"])
def test_all_families_in_bounded_batches(name: str) -> None:
    model, pixels = build(name)
    rows: list[int] = []
    handle = model.register_forward_pre_hook(
        lambda _m, _a, named: rows.append(len(named["pixel_values"])), with_kwargs=True
    )
    options = {"window": 20, "stride": 20, "samples": 2}
    whole = explain(model, pixels, [1, 2], METHOD, batch_size=16, **options)
    assert max(rows) <= 16
    rows.clear()
    one = explain(model, pixels[1:], 2, METHOD, batch_size=5, **options)
    handle.remove()
    assert max(rows) <= 5
    torch.testing.assert_close(one[0], whole[1], rtol=1e-2, atol=1e-3 * float(whole.abs().max()))
    assert whole.std() > 0


def test_drawn_from_other_pictures_and_seeded() -> None:
    torch.manual_seed(0)
    model, pixels = vgg().eval(), torch.randn(2, 3, 64, 64)
    others = torch.randn(3, 3, 50, 70)
    options = {"window": 16, "samples": 3}
    first = explain(model, pixels, 1, METHOD, pictures=others, **options)
    assert torch.equal(first, explain(model, pixels, 1, METHOD, pictures=others, **options))
    assert not torch.equal(first, explain(model, pixels, 1, METHOD, pictures=others, seed=1, **options))
    assert not torch.equal(first, explain(model, pixels, 1, METHOD, **options))


def test_one_class_rather_than_another() -> None:
    torch.manual_seed(0)
    model, pixels = vgg().eval(), torch.randn(2, 3, 64, 64)
    options = {"window": 16, "samples": 3}
    both = explain(model, pixels, 1, METHOD, versus=2, **options)
    each = explain(model, pixels, 1, METHOD, **options) - explain(model, pixels, 2, METHOD, **options)
    torch.testing.assert_close(both, each, rtol=1e-3, atol=1e-5)


def test_what_is_wrong_is_said() -> None:
    model, pixels = vgg().eval(), torch.zeros(1, 3, 64, 64)
    with pytest.raises(ModelError, match="at least one sample"):
        explain(model, pixels, 1, METHOD, samples=0)
    wrong: Tensor = torch.zeros(2, 1, 64, 64)
    with pytest.raises(ModelError, match=r"give \(M, 3, h, w\)"):
        explain(model, pixels, 1, METHOD, pictures=wrong)
    with pytest.raises(ModelError, match="A window of 65 pixels does not fit"):
        explain(model, pixels, 1, METHOD, window=65)
    with pytest.raises(ModelError, match="A stride of 0"):
        explain(model, pixels, 1, METHOD, stride=0)
