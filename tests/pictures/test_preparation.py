"""Preparations: checked like augmentations, named by a canonical key, and plates of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kunstkammer.data.plates import PlateSettings, make_plate, make_plates
from kunstkammer.data.readers import read
from kunstkammer.data.survey import survey
from kunstkammer.errors import RecipeError, UnknownNameError
from kunstkammer.pictures.cartoon import cartoonify
from kunstkammer.pictures.preparation import Preparation, build_preparation, from_key


def built(**values: Any) -> Preparation:
    found = build_preparation([{"name": "cartoonify", **values}])
    assert found is not None
    return found


def test_nothing_to_do_is_none() -> None:
    assert build_preparation([]) is None
    assert from_key("") is None


def test_it_draws_as_cartoonify_does() -> None:
    pixels = torch.randint(0, 256, (2, 3, 40, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(built(preset="manga", strength=0.7)(pixels), cartoonify(pixels, "manga", strength=0.7))


def test_specs_and_key_say_everything_and_build_the_same() -> None:
    one = built(preset="comic", lines=0.5)
    assert one.specs()[0]["lines"] == 0.5
    assert one.specs()[0]["strength"] == 1
    assert "smoothing" in one.specs()[0]
    again = build_preparation(one.specs())
    assert again is not None
    assert again.key == one.key
    assert from_key(one.key).key == one.key  # type: ignore[union-attr]
    assert built(strength=1).key == built().key != built(strength=0.9).key
    assert built(preset="manga", strength=0.75).sentence == "cartoonify (manga, strength 0.75)"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "cartoonfy"}, "Did you mean 'cartoonify'"),
        ({"preset": "comic"}, "A preparation is written as"),
        ({"name": "cartoonify", "preset": "commic"}, "Did you mean 'comic'"),
        ({"name": "cartoonify", "lnes": 1}, "no parameter 'lnes'. Did you mean 'lines'"),
        ({"name": "cartoonify", "strenght": 1}, "no parameter 'strenght'. Did you mean 'strength'"),
        ({"name": "cartoonify", "strength": 3}, "Preparation 'cartoonify': strength = 3: "),
        ({"name": "cartoonify", "levels": 1}, "Cartoon 'comic': levels = 1: "),
    ],
)
def test_mistakes_are_said_in_one_line(spec: dict[str, Any], said: str) -> None:
    with pytest.raises((RecipeError, UnknownNameError)) as caught:
        build_preparation([spec])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["comic", "{}", '[{"name":"cartoonify"}]', "[]"])
def test_only_a_canonical_key_names_a_preparation(key: str) -> None:
    with pytest.raises(RecipeError):
        PlateSettings(16, 16, preparation=key)


def test_plates_without_a_preparation_keep_their_key() -> None:
    plain = PlateSettings(24, 24)
    prepared = replace(plain, preparation=built().key)
    assert "prepared" not in plain.key
    assert prepared.key.startswith(plain.key + "-prepared")
    assert prepared.key != replace(plain, preparation=built(preset="flat").key).key


def test_prepared_plates_are_the_plain_ones_prepared(collection_folder: Path, tmp_path: Path) -> None:
    collection = read(collection_folder)
    plain, prepare = PlateSettings(24, 20), built(preset="comic")
    settings = replace(plain, preparation=prepare.key)
    before = make_plates(collection, plain, cache=tmp_path, show_progress=False)[:]
    drawn = make_plates(collection, settings, cache=tmp_path, show_progress=False)[:]
    assert torch.equal(drawn, prepare(before))
    assert not torch.equal(drawn, before)
    assert torch.equal(make_plates(collection, plain, cache=tmp_path, show_progress=False)[:], before)
    assert torch.equal(make_plates(collection, settings, cache=tmp_path, show_progress=False)[:], drawn)
    one = make_plate(collection.source(3), settings, "x")
    assert torch.equal(torch.from_numpy(one), drawn[3])


def test_a_survey_draws_in_its_pass_and_finds_the_same_facts(collection_folder: Path, tmp_path: Path) -> None:
    collection = read(collection_folder)
    plain = PlateSettings(24, 24, grey=True)
    prepared = replace(plain, preparation=built(preset="pencil").key)
    one = survey(collection, plain, cache=tmp_path / "a", show_progress=False)
    other = survey(collection, prepared, cache=tmp_path / "b", workers=1, show_progress=False)
    assert (one.phash == other.phash).all()
    assert one.sha256 == other.sha256
    assert one.plates is not None
    assert other.plates is not None
    assert not torch.equal(one.plates[:], other.plates[:])
