"""What holds for every augmentation, and what each of them does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kunstkammer import registry
from kunstkammer.errors import RecipeError, UnknownNameError
from kunstkammer.pictures.augment import Augmenter, build_augmenter

NAMES = registry.names("augmentations")
ALWAYS = {"horizontal-flip", "vertical-flip", "erasing", "grey", "blur"}
"""Those that act with a probability."""

SYSTEM_B = [
    {"name": "color-jitter", "brightness": [0.8, 1.2]},
    {"name": "vertical-flip"},
    {"name": "rotation", "degrees": 45},
    {"name": "erasing"},
    {"name": "crop"},
]
SYSTEM_C = [
    {"name": "rotation", "degrees": 20},
    {"name": "zoom", "amount": 0.15},
    {"name": "shift", "fraction": 0.2},
]


def batch(count: int = 6, channels: int = 3, height: int = 20, width: int = 28) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def surely(name: str) -> dict[str, Any]:
    return {"name": name, "probability": 1.0} if name in ALWAYS else {"name": name}


def one(name: str, **parameters: Any) -> Augmenter:
    return build_augmenter([{"name": name, **parameters}])


def near(one: torch.Tensor, other: torch.Tensor, tolerance: float = 1e-4) -> bool:
    return bool((one - other).abs().max() < tolerance)


class TestEveryAugmentation:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("shape", [(6, 3, 20, 28), (2, 1, 33, 8), (1, 3, 1, 1), (0, 3, 4, 4), (3, 1, 2, 50)])
    def test_shape_and_range(self, name: str, shape: tuple[int, ...]) -> None:
        result = build_augmenter([surely(name)])(batch(*shape), seed=3)
        assert result.shape == shape
        assert result.dtype == torch.float32
        assert result.isfinite().all()
        assert not result.numel() or (result.min() >= 0 and result.max() <= 1)

    @pytest.mark.parametrize("name", NAMES)
    def test_same_seed_same_result(self, name: str) -> None:
        augment = build_augmenter([surely(name)])
        assert torch.equal(augment(batch(), 11), augment(batch(), 11))
        assert torch.equal(augment(batch(), 11), build_augmenter([surely(name)])(batch(), 11))

    @pytest.mark.parametrize("name", NAMES)
    def test_another_seed_another_result(self, name: str) -> None:
        spec = {"name": name} if name in ("horizontal-flip", "vertical-flip", "grey") else surely(name)
        augment = build_augmenter([spec])
        results = [augment(batch(), seed) for seed in range(4)]
        assert any(not torch.equal(results[0], other) for other in results[1:])

    @pytest.mark.parametrize("name", NAMES)
    def test_every_picture_is_changed_on_its_own(self, name: str) -> None:
        spec = {"name": name} if name in ("horizontal-flip", "vertical-flip", "grey") else surely(name)
        same = batch(1).expand(8, -1, -1, -1)
        result = build_augmenter([spec])(same, seed=1)
        assert len(torch.unique(result.flatten(1), dim=0)) > 1

    @pytest.mark.parametrize("name", NAMES)
    def test_nothing_outside_is_touched(self, name: str) -> None:
        pixels = batch()
        kept, state = pixels.clone(), torch.get_rng_state()
        build_augmenter([surely(name)])(pixels, seed=2)
        assert torch.equal(pixels, kept)
        assert torch.equal(torch.get_rng_state(), state)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_white_page_stays_white_where_colours_are_kept(self, name: str) -> None:
        if name in ("erasing", "color-jitter"):
            white = torch.full((3, 3, 8, 8), 255, dtype=torch.uint8)
            assert not near(build_augmenter([surely(name)])(white, 4), torch.ones(3, 3, 8, 8))
            return
        white = torch.full((3, 3, 8, 8), 255, dtype=torch.uint8)
        assert near(build_augmenter([surely(name)])(white, 4), torch.ones(3, 3, 8, 8), 2e-3)

    @pytest.mark.parametrize("name", NAMES)
    def test_its_parameters_written_out_build_it_again(self, name: str) -> None:
        augment = build_augmenter([{"name": name}])
        written = augment.specs()
        assert written[0]["name"] == name
        again = build_augmenter(written)
        assert again.specs() == written
        assert torch.equal(augment(batch(), 9), again(batch(), 9))

    @pytest.mark.parametrize("name", NAMES)
    def test_an_unknown_parameter_is_refused(self, name: str) -> None:
        with pytest.raises(RecipeError, match=f"Augmentation '{name}': no parameter 'nonsense'"):
            build_augmenter([{"name": name, "nonsense": 1}])

    @pytest.mark.parametrize("name", NAMES)
    def test_memory_layout_does_not_matter(self, name: str) -> None:
        augment = build_augmenter([surely(name)])
        turned = batch().contiguous(memory_format=torch.channels_last)
        assert near(augment(turned, 6), augment(batch(), 6), 1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(NAMES), max_size=6), st.integers(0, 2**31))
def test_any_row_of_augmentations(names: list[str], seed: int) -> None:
    augment = build_augmenter([{"name": name} for name in names])
    result = augment(batch(3), seed)
    assert result.shape == (3, 3, 20, 28)
    assert 0 <= result.min() <= result.max() <= 1
    assert torch.equal(result, augment(batch(3), seed))


class TestNothing:
    def test_no_augmentation_is_a_plain_conversion(self) -> None:
        assert torch.equal(build_augmenter([])(batch(), 0), batch().float() / 255)

    @pytest.mark.parametrize("fill", ["edge", "white", "black", "reflect"])
    @pytest.mark.parametrize(
        "spec",
        [
            {"name": "rotation", "degrees": 0},
            {"name": "zoom", "amount": 0},
            {"name": "shift", "fraction": 0},
            {"name": "shear", "degrees": [0, 0]},
            {"name": "crop", "padding": 0},
        ],
        ids=lambda spec: spec["name"],
    )
    def test_no_movement_no_change_whatever_the_fill(self, spec: dict[str, Any], fill: str) -> None:
        assert near(build_augmenter([{**spec, "fill": fill}])(batch(), 0), batch().float() / 255)

    @pytest.mark.parametrize(
        "spec",
        [
            {"name": "resized-crop", "scale": [1, 1], "ratio": [1.4, 1.4]},
            {"name": "horizontal-flip", "probability": 0},
            {"name": "grey", "probability": 0},
            {"name": "erasing", "probability": 0},
            {"name": "blur", "probability": 0},
            {"name": "color-jitter", "brightness": 0},
        ],
        ids=lambda spec: spec["name"],
    )
    def test_no_strength_no_change(self, spec: dict[str, Any]) -> None:
        assert near(build_augmenter([spec])(batch(), 0), batch().float() / 255)

    def test_only_bytes_are_taken(self) -> None:
        for wrong in (torch.rand(1, 3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.uint8), batch(2, 2)):
            with pytest.raises(ValueError, match="uint8"):
                build_augmenter([])(wrong, 0)


class TestGeometry:
    def test_flips(self) -> None:
        floats = batch().float() / 255
        assert torch.equal(one("horizontal-flip", probability=1)(batch(), 0), floats.flip(3))
        assert torch.equal(one("vertical-flip", probability=1)(batch(), 0), floats.flip(2))
        odd = batch(2, 1, 97, 101)
        assert torch.equal(one("horizontal-flip", probability=1)(odd, 0), (odd.float() / 255).flip(3))

    def test_a_quarter_turn_goes_against_the_clock(self) -> None:
        square = batch(2, 3, 9, 9)
        assert near(one("rotation", degrees=[90, 90])(square, 0), (square.float() / 255).rot90(1, (2, 3)))

    def test_a_turn_keeps_right_angles_on_a_long_picture(self) -> None:
        long = torch.zeros(1, 1, 41, 81, dtype=torch.uint8)
        long[:, :, 20, 30:51] = 255  # a line of 21 pixels across the middle
        upright = one("rotation", degrees=[90, 90], fill="black")(long, 0)[0, 0]
        assert (upright[:, 40] > 0.5).sum() == 21
        assert (upright > 0.5).sum() == 21

    def test_zoom_enlarges(self) -> None:
        square = torch.zeros(1, 1, 120, 120, dtype=torch.uint8)
        square[:, :, 40:80, 40:80] = 255
        for factor, side in ((2.0, 80), (0.5, 20)):
            area = one("zoom", amount=[factor, factor])(square, 0).sum().item()
            assert area == pytest.approx(side**2, rel=0.05)

    def test_zoom_may_draw_both_directions(self) -> None:
        fields = one("zoom", amount=0.5, keep_aspect=False).steps[0]
        from kunstkammer.pictures.augmentation import Draws

        matrices = fields.matrices(Draws(20, 0, torch.device("cpu")), 8, 8)
        assert not near(matrices[:, 0, 0], matrices[:, 1, 1], 0.05)

    def test_shift_moves_by_at_most_the_fraction(self) -> None:
        dot = torch.zeros(200, 1, 41, 61, dtype=torch.uint8)
        dot[:, :, 20, 30] = 255
        moved = one("shift", fraction=[0.2, 0.1])(dot, 0)
        rows = (moved.sum(3)[:, 0] * torch.arange(41)).sum(1) / moved.sum((1, 2, 3)) - 20
        columns = (moved.sum(2)[:, 0] * torch.arange(61)).sum(1) / moved.sum((1, 2, 3)) - 30
        assert 0.9 * 12.2 < columns.abs().max() <= 12.21
        assert 0.9 * 4.1 < rows.abs().max() <= 4.11

    def test_crop_moves_by_whole_pixels_and_shows_paper_beyond(self) -> None:
        black = torch.zeros(64, 1, 16, 16, dtype=torch.uint8)
        result = one("crop", padding=0.25)(black, 0)
        assert near(result, result.round())
        assert (result[:, :, 4:-4, 4:-4] == 0).all()
        assert result.max() == 1

    def test_resized_crop_looks_at_the_area_it_says(self) -> None:
        ramp = torch.arange(0, 250, 2.5).to(torch.uint8).expand(200, 1, 100, 100)
        result = one("resized-crop", scale=[0.25, 0.25], ratio=[1, 1])(ramp, 0)
        seen = (result.amax((1, 2, 3)) - result.amin((1, 2, 3))) * 255 / 2.5
        assert seen.mean() == pytest.approx(50, abs=2)
        assert result.amin((1, 2, 3)).min() < 0.05
        assert result.amax((1, 2, 3)).max() > 0.92

    @pytest.mark.parametrize(("fill", "value"), [("white", 1.0), ("black", 0.0), ("edge", 0.4), ("reflect", 0.4)])
    def test_what_is_seen_beyond_the_border(self, fill: str, value: float) -> None:
        grey = torch.full((1, 3, 16, 16), 102, dtype=torch.uint8)
        corner = one("zoom", amount=[0.5, 0.5], fill=fill)(grey, 0)[0, :, 0, 0]
        assert near(corner, torch.full((3,), value))

    def test_three_in_a_row_are_sampled_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from kunstkammer.pictures import geometric

        calls = []
        sample = geometric.sample
        monkeypatch.setattr(geometric, "sample", lambda *a, **k: calls.append(1) or sample(*a, **k))
        build_augmenter([*SYSTEM_C, {"name": "horizontal-flip"}])(batch(), 0)
        assert len(calls) == 1
        build_augmenter([{"name": "rotation"}, {"name": "shift", "fill": "white"}])(batch(), 0)
        assert len(calls) == 3

    def test_they_are_done_in_their_order(self) -> None:
        dot = torch.zeros(1, 1, 41, 41, dtype=torch.uint8)
        dot[:, :, 20, 30] = 255  # right of the middle
        turn, double = (
            {"name": "rotation", "degrees": [90, 90]},
            {"name": "resized-crop", "scale": [1, 1], "ratio": [1, 1]},
        )
        flip = {"name": "horizontal-flip", "probability": 1}
        first_turned = build_augmenter([turn, flip, double])(dot, 0)[0, 0]
        first_flipped = build_augmenter([flip, turn, double])(dot, 0)[0, 0]
        assert first_turned[10, 20] > 0.9  # up, and then the flip changes nothing
        assert first_flipped[30, 20] > 0.9  # left, and then down

    def test_one_sampling_is_what_several_would_be(self) -> None:
        y, x = torch.meshgrid(torch.linspace(-2, 2, 64), torch.linspace(-2, 2, 64), indexing="ij")
        smooth = (torch.exp(-4 * (x - 0.5) ** 2 - 8 * y**2) * 255).to(torch.uint8)[None, None]
        together = build_augmenter(
            [
                {"name": "rotation", "degrees": [30, 30]},
                {"name": "zoom", "amount": [0.8, 0.8]},
                {"name": "shear", "degrees": [10, 10]},
            ]
        )(smooth, 0)
        apart = smooth
        for step in (one("rotation", degrees=[30, 30]), one("zoom", amount=[0.8, 0.8]), one("shear", degrees=[10, 10])):
            apart = (step(apart, 0) * 255).round().to(torch.uint8)
        assert near(together, apart.float() / 255, 0.02)


class TestColour:
    def test_brightness_is_a_factor(self) -> None:
        grey = torch.full((1, 3, 4, 4), 100, dtype=torch.uint8)
        assert near(one("color-jitter", brightness=[1.2, 1.2])(grey, 0), torch.full((1, 3, 4, 4), 120 / 255))

    @pytest.mark.parametrize("channels", [1, 3])
    def test_no_contrast_leaves_the_mean_luma(self, channels: int) -> None:
        result = one("color-jitter", contrast=[0, 0])(batch(2, channels), 0)
        weights = torch.tensor([0.299, 0.587, 0.114]) if channels == 3 else torch.ones(1)
        luma = (batch(2, channels).float() / 255 * weights[:, None, None]).sum(1).mean((1, 2))
        assert near(result, luma[:, None, None, None].expand_as(result))

    def test_no_saturation_is_grey(self) -> None:
        flat = one("color-jitter", saturation=[0, 0])(batch(), 0)
        assert near(flat[:, 0], flat[:, 2])
        assert near(flat, one("grey", probability=1)(batch(), 0))

    def test_hue_turns_the_colour_and_keeps_the_luma(self) -> None:
        red = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
        red[:, 0], red[:, 1:] = 150, 100
        third = one("color-jitter", hue=[1 / 3, 1 / 3])(red, 0)[0, :, 0, 0]
        luma = torch.tensor([0.299, 0.587, 0.114])
        assert (third * luma).sum().item() == pytest.approx(float((red[0, :, 0, 0] / 255 * luma).sum()), abs=1e-4)
        assert third.argmax() == 1
        assert near(one("color-jitter", hue=[0.5, 0.5])(red, 0), one("color-jitter", hue=[-0.5, -0.5])(red, 0))

    def test_bare_color_jitter_does_something_and_named_does_only_that(self) -> None:
        assert one("color-jitter").specs()[0]["contrast"] == [0.8, 1.2]
        assert one("color-jitter", brightness=0.3).specs() == [
            {"name": "color-jitter", "brightness": [0.7, 1.3], "contrast": [1, 1], "saturation": [1, 1], "hue": [0, 0]}
        ]

    def test_two_in_a_row_are_as_one_after_the_other(self) -> None:
        calm = (batch().float() * 0.3 + 90).to(torch.uint8)  # nothing is cut to 0..1
        jitter = [{"name": "color-jitter", "contrast": [0.7, 0.7]}, {"name": "color-jitter", "saturation": [1.3, 1.3]}]
        apart = build_augmenter(jitter[1:])((build_augmenter(jitter[:1])(calm, 0) * 255).round().to(torch.uint8), 0)
        assert near(build_augmenter(jitter)(calm, 0), apart, 0.01)


class TestErasingAndBlur:
    def test_erased_area_shape_and_place(self) -> None:
        white = torch.full((400, 1, 50, 50), 255, dtype=torch.uint8)
        gone = one("erasing", probability=1, scale=[0.1, 0.2], ratio=[0.5, 2])(white, 0) == 0
        area = gone.float().mean((1, 2, 3))
        assert area.min() > 0.08
        assert area.max() < 0.22
        sides = gone.any(3).sum((1, 2)).float() / gone.any(2).sum((1, 2))
        assert 0.45 < sides.min() < 0.6
        assert 1.7 < sides.max() < 2.2
        assert gone[:, 0, 0].any()
        assert gone[:, 0, -1].any()

    def test_the_probability_is_one(self) -> None:
        white = torch.full((2000, 1, 6, 6), 255, dtype=torch.uint8)
        hit = (one("erasing", probability=0.3, scale=[0.5, 0.6])(white, 0) < 1).flatten(1)
        assert hit.any(1).float().mean().item() == pytest.approx(0.3, abs=0.04)

    def test_what_is_put_there(self) -> None:
        black = torch.zeros(4, 3, 30, 30, dtype=torch.uint8)
        assert one("erasing", probability=1, value=0.5)(black, 0).max() == 0.5
        noise = one("erasing", probability=1, value="noise", scale=[0.3, 0.3])(black, 0)
        assert len(noise.unique()) > 500

    def test_blur_spreads_by_sigma(self) -> None:
        dot = torch.zeros(1, 1, 41, 41, dtype=torch.uint8)
        dot[:, :, 20, 20] = 255
        blurred = one("blur", probability=1, sigma=2)(dot, 0)[0, 0]
        spread = (blurred.sum(0) * (torch.arange(41) - 20.0) ** 2).sum().sqrt().item()
        assert spread == pytest.approx(2, rel=0.05)
        assert blurred.sum().item() == pytest.approx(1, abs=1e-3)


class TestMistakes:
    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ({"name": "rotation", "degres": 3}, "no parameter 'degres'. Did you mean 'degrees'? Known: degrees, fill."),
            ({"name": "rotation", "degrees": "x"}, "degrees = 'x': give a number or two numbers [low, high]."),
            ({"name": "rotation", "degrees": [3, 1]}, "the first of [low, high] must not be above the second"),
            ({"name": "rotation", "degrees": float("nan")}, "finite"),
            ({"name": "rotation", "fill": "whit"}, "'edge', 'white', 'black' or 'reflect'"),
            ({"name": "zoom", "amount": 1}, "above 0"),
            ({"name": "shift", "fraction": 2}, "less than or equal to 1"),
            ({"name": "color-jitter", "hue": 0.7}, "hue must lie within -0.5 and 0.5"),
            ({"name": "color-jitter", "brightness": -1}, "must not be negative"),
            ({"name": "erasing", "scale": [0.5, 1.5]}, "scale"),
            ({"name": "erasing", "value": "noisy"}, "'noise'"),
            ({"name": "horizontal-flip", "probability": 1.5}, "less than or equal to 1"),
            ({"name": "blur", "sigma": 0}, "above 0"),
            ({"degrees": 3}, "written as"),
            ("rotation", "written as"),
        ],
    )
    def test_each_is_said_in_one_line(self, spec: Any, said: str) -> None:
        with pytest.raises(RecipeError) as caught:
            build_augmenter([spec])
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_all_mistakes_of_one_are_said_at_once(self) -> None:
        with pytest.raises(RecipeError, match=r"degrees.*fill.*"):
            build_augmenter([{"name": "rotation", "degrees": "x", "fill": "y"}])

    def test_an_unknown_name_is_guessed(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'rotation'"):
            build_augmenter([{"name": "rotatoin"}])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("specs", [SYSTEM_B, SYSTEM_C, [{"name": "blur"}, {"name": "grey"}, {"name": "resized-crop"}]])
def test_a_gpu_gives_the_same(specs: list[dict[str, Any]]) -> None:
    augment = build_augmenter(specs)
    assert near(augment(batch().cuda(), 3).cpu(), augment(batch(), 3), 2e-3)
