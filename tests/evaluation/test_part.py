"""Which pictures measure a run: known again by content, however they are called and wherever they lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kunstkammer as kk
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError
from kunstkammer.evaluation.part import choose_part, group_keys, lacks_groups, training_part
from kunstkammer.models.run import open_run
from kunstkammer.models.run_files import read_split
from kunstkammer.verbs.quality_parts import plan_parts as quality_parts
from tests.conftest import write_collection

TINY = {
    "picture.size": 32, "training.epochs": 1, "evaluation.resamples": 100, "evaluation.pictures": 0,
    "evaluation.explainer": None, "evaluation.stability": 0, "model.options": {"stages": [[4], [8]], "dense": 8},
    "data.split": {"train": 0.5, "validation": 0.2, "test": 0.3},
}  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> tuple[Path, Path]:
    """A collection and the run that was made from it."""
    place = tmp_path_factory.mktemp("own")
    data = write_collection(place / "noise", each=20)
    kk.train(data, recipe="anime-cartoon", out=place / "run", settings=TINY)
    return data, place / "run"


def contents_of(folder: Path, part: str) -> set[str]:
    return {row.sha256 for row in read_split(folder / "split.csv") if row.part == part}


def renamed(data: Path, place: Path) -> Path:
    """The same pictures under other names in another folder."""
    for label in ("dark", "light"):
        (place / label).mkdir(parents=True)
        for i, file in enumerate(sorted((data / label).iterdir(), reverse=True)):
            shutil.copy(file, place / label / f"scan-{i}.png")
    return place


def as_table(data: Path, place: Path) -> Path:
    """The same pictures in one folder, listed in a table."""
    place.mkdir()
    rows = []
    for file in sorted(data.rglob("*.png")):
        name = f"{file.parent.name}-{file.stem}.png"
        shutil.copy(file, place / name)
        rows.append(json.dumps({"file_name": name, "label": file.parent.name}))
    (place / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return place


@pytest.mark.parametrize("change", [renamed, as_table, lambda data, place: Path(shutil.copytree(data, place))])
def test_the_pictures_that_the_model_saw_are_left_out_whatever_they_are_called(own, tmp_path, change):
    data, folder = own
    part = choose_part(open_run(folder), read(change(data, tmp_path / "other")))
    assert (part.name, part.seen) == ("test", 0)
    assert set(part.contents) == contents_of(folder, "test")
    assert part.left_out == len(contents_of(folder, "train")) + len(contents_of(folder, "validation"))


def test_other_pictures_of_the_same_names_are_all_measured(own, tmp_path):
    other = write_collection(tmp_path / "noise", each=20, seed=5)  # the names of the run's own collection
    part = choose_part(open_run(own[1]), read(other))
    assert (part.name, len(part.collection), part.seen, part.left_out) == ("all", 40, 0, 0)


def test_a_collection_that_has_grown_gives_its_new_pictures_too(own, tmp_path):
    data, folder = own
    grown = renamed(data, tmp_path / "grown")
    for label, seed in (("dark", 7), ("light", 8)):
        new = write_collection(tmp_path / label, each=3, seed=seed)
        for file in (new / label).iterdir():
            shutil.copy(file, grown / label / f"new-{file.name}")
    part = choose_part(open_run(folder), read(grown))
    assert (part.name, part.seen) == ("new", 0)
    assert len(part.collection) == len(contents_of(folder, "test")) + 6


def test_what_was_seen_is_counted_where_a_person_asks_for_it(own, tmp_path):
    data, folder = own
    saw = len(contents_of(folder, "train")) + len(contents_of(folder, "validation"))
    found = kk.evaluate(folder, data, split="all", out=tmp_path / "all", stability=0, explainer=None)
    assert found.to_json()["seen_in_training"] == saw
    assert found.to_text().count("WARNING: The model saw") == 1
    page = (tmp_path / "all" / "report.html").read_text()
    assert f"The model saw {saw} of these 40" in page
    assert page.index("Do not trust these figures") < page.index("The model saw")
    gap = kk.evaluate(folder, data, data, split="all", out=tmp_path / "gap", stability=0, explainer=None)
    assert gap.to_json()["sets"][1]["seen_in_training"] == saw
    assert 'class="grave"' in (tmp_path / "gap" / "report.html").read_text()


def test_nothing_new_is_refused_with_the_way_out(own, tmp_path):
    data, folder = own
    saw = contents_of(folder, "train")
    only = read(data)
    rows = [i for i, content in enumerate(choose_part(open_run(folder), only, "all").contents) if content in saw]
    with pytest.raises(DataError, match=r"saw 20 of the 20 pictures .* --split all"):
        choose_part(open_run(folder), only.select(rows))
    with pytest.raises(DataError, match="no validation part; its parts are: train"):
        choose_part(open_run(folder), only.select(rows), "validation")
    with pytest.raises(DataError, match="no split 'tset'. Did you mean 'test'"):
        choose_part(open_run(folder), only, "tset")


def test_a_checkpoint_from_elsewhere_does_not_say_what_it_saw(own, tmp_path):
    data, folder = own
    other = Path(shutil.copytree(folder, tmp_path / "checkpoint"))
    (other / "split.csv").unlink()
    found = kk.evaluate(other, data, out=tmp_path / "out", stability=0, explainer=None)
    assert found.to_json()["seen_in_training"] is None
    assert "it is not known whether it saw these" in found.to_text()


def test_patterns_neighbours_and_explanations_use_the_training_part_by_content(own, tmp_path):
    from kunstkammer.data.survey import survey

    data, folder = own
    run, moved = open_run(folder), read(renamed(data, tmp_path / "moved"))
    part = training_part(run, moved)
    assert part.name == "train"
    assert set(part.contents) == contents_of(folder, "train")
    assert kk.fit_neighbours(folder, tmp_path / "moved").pictures == len(part.contents)
    seen = survey(moved, run.plate_settings, show_progress=False)
    parts = quality_parts(run, moved, seen, pictures=100, signals=0, fits=True, seed=0)
    assert {seen.sha256[i] for i in parts.measured} == contents_of(folder, "test")
    assert {seen.sha256[i] for i in parts.fitting} <= contents_of(folder, "train")


def grouped(place: Path) -> Path:
    """Pictures of six artists, whose names stand in a table."""
    data = write_collection(place / "pages", each=24)
    rows = []
    for label in ("dark", "light"):
        for i in range(24):
            rows.append({"file_name": f"{label}/{i:03}.png", "label": label, "artist": f"{label} {i % 6}"})
    (data / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return data


def test_the_groups_belong_to_the_run(tmp_path):
    data = grouped(tmp_path)
    first = kk.train(data, recipe="anime-cartoon", out=tmp_path / "run", settings=TINY | {"data.groups": ["artist"]})
    again = kk.evaluate(tmp_path / "run", data, out=tmp_path / "a", stability=0, explainer=None)
    assert again.evaluation.groups == first.evaluation.groups
    assert again.metrics["balanced_accuracy"] == first.metrics["balanced_accuracy"]
    assert again.metrics["accuracy"] == first.metrics["accuracy"]
    # the same pictures without the column: the run knows them by content
    plain = renamed(data, tmp_path / "plain")
    known = kk.evaluate(tmp_path / "run", plain, out=tmp_path / "b", stability=0, explainer=None)
    assert known.evaluation.groups == first.evaluation.groups
    other = read(write_collection(tmp_path / "other", each=6, seed=4))
    run = open_run(tmp_path / "run")
    part = choose_part(run, other)
    assert lacks_groups(run, [part])
    assert group_keys(run, [part]) is None
    found = kk.evaluate(tmp_path / "run", tmp_path / "other", out=tmp_path / "c", stability=0, explainer=None)
    assert "grouped by artist" in found.to_text()


def test_groups_of_several_collections_are_numbered_together(tmp_path):
    data = grouped(tmp_path)
    kk.train(data, recipe="anime-cartoon", out=tmp_path / "run", settings=TINY | {"data.groups": ["artist"]})
    run = open_run(tmp_path / "run")
    parts = [choose_part(run, read(data), split) for split in ("test", "all")]
    first, second = group_keys(run, parts)
    place = {content: i for i, content in enumerate(parts[1].contents)}
    assert [second[place[content]] for content in parts[0].contents] == first.tolist()
    artists = parts[1].collection.column("artist")
    assert len(np.unique(second)) == len(set(artists))
