"""Which pictures measure a run: known again by content, however they are called and wherever they lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kunstkammer as kk
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, ModelError
from kunstkammer.evaluation.part import choose_part, group_keys, lacks_groups, training_part
from kunstkammer.models.run import open_run
from kunstkammer.models.run_files import read_split
from kunstkammer.workflows.quality_parts import plan_parts as quality_parts
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
    found = kk.evaluate(folder, grown, out=tmp_path / "out", stability=0, explainer=None)
    assert (found.part, found.to_json()["seen_in_training"]) == ("new", 0)
    assert "Pictures that the model has not seen: 18" in found.report.read_text()
    kk.evaluate(folder, grown, data, out=tmp_path / "two", stability=0, explainer=None)


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


def test_the_report_knows_every_part_that_there_is():
    from kunstkammer.evaluation.notes import translations
    from kunstkammer.evaluation.part import ALL, NEW, SPLITS

    for part in {*SPLITS, ALL, NEW} - {"auto"}:
        assert f"page.judged.{part}" in translations()
        assert f"part.{part}" in translations()


def test_new_pictures_of_groups_that_the_model_saw_are_named_in_red(tmp_path):
    data = grouped(tmp_path)
    kk.train(data, recipe="anime-cartoon", out=tmp_path / "run", settings=TINY | {"data.groups": ["artist"]})
    run = open_run(tmp_path / "run")
    learned = {row.file for row in read_split(tmp_path / "run" / "split.csv") if row.part == "train"}
    rows = [json.loads(line) for line in (data / "metadata.jsonl").read_text().splitlines()]
    artist = next(row["artist"] for row in rows if row["file_name"] in learned)
    new = write_collection(tmp_path / "new", each=4, seed=11)
    table = [{"file_name": f"{label}/{i:03}.png", "label": label, "artist": artist if i < 3 else f"{label} unknown"}
             for label in ("dark", "light") for i in range(4)]  # fmt: skip
    (new / "metadata.jsonl").write_text("\n".join(map(json.dumps, table)) + "\n")
    assert choose_part(run, read(new)).related == 0  # nothing of what it saw is here to tell the artist by
    both = tmp_path / "both"
    shutil.copytree(data, both)
    for row in table:
        shutil.copy(new / row["file_name"], both / row["file_name"].replace("/", "/new-"))
    more = [{**row, "file_name": row["file_name"].replace("/", "/new-")} for row in table]
    (both / "metadata.jsonl").write_text("\n".join(map(json.dumps, [*rows, *more])) + "\n")
    part = choose_part(run, read(both))
    assert (part.name, part.seen, part.related) == ("new", 0, 6)
    found = kk.evaluate(tmp_path / "run", both, out=tmp_path / "out", stability=0, explainer=None)
    assert "WARNING: 6 of these" in found.to_text()


def damaged(text: str) -> dict[str, str]:
    head, *rows = text.splitlines()
    return {
        "unknown part": text.replace(",validation,", ",valid,"),
        "empty": "",
        "head alone": head + "\n",
        "semicolons": text.replace(",", ";"),
        "cut": "\n".join([head, *rows[: len(rows) // 2]]) + "\n",
        "hashes of another kind": text.replace(rows[0][-64:], rows[0][-40:]),
    }


@pytest.mark.parametrize("kind", ["unknown part", "empty", "head alone", "semicolons", "cut", "hashes of another kind"])
def test_a_damaged_split_file_is_refused_not_believed(own, tmp_path, kind):
    data, folder = own
    other = Path(shutil.copytree(folder, tmp_path / "run"))
    (other / "split.csv").write_text(damaged((other / "split.csv").read_text())[kind])
    with pytest.raises(ModelError, match=r"split\.csv is damaged"):
        kk.evaluate(other, data, out=tmp_path / "out", stability=0)


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t])
def test_a_split_file_that_went_through_a_spreadsheet_is_read(own, tmp_path, change):
    data, folder = own
    other = Path(shutil.copytree(folder, tmp_path / "run"))
    text = (other / "split.csv").read_text()
    rows = [line if i == 0 else line[:-64] + line[-64:].upper() for i, line in enumerate(text.splitlines())]
    (other / "split.csv").write_text(change("\n".join(rows) + "\n"), newline="")
    assert set(choose_part(open_run(other), read(data)).contents) == contents_of(folder, "test")


@pytest.mark.parametrize("facts", ["[]", '{"recipe": [1]}', '{"data": 3}', "{"])
def test_a_damaged_run_json_is_named(own, tmp_path, facts):
    data, folder = own
    other = Path(shutil.copytree(folder, tmp_path / "run"))
    (other / "run.json").write_text(facts)
    for work in (
        lambda: kk.evaluate(other, data, out=tmp_path / "out"),
        lambda: kk.train(data, out=other, resume=True),
    ):
        with pytest.raises(ModelError, match=r"run\.json"):
            work()
    kept = json.loads((folder / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**kept, "label_prior": ["a", None]}))
    with pytest.raises(ModelError, match="label_prior in .* is damaged"):
        kk.evaluate(other, data, out=tmp_path / "out")


def test_neighbours_are_never_pictures_that_the_run_does_not_know(own, tmp_path):
    other = write_collection(tmp_path / "other", each=4, seed=21)
    with pytest.raises(DataError, match="was not trained on any picture of other"):
        kk.fit_neighbours(own[1], other)
    assert training_part(open_run(own[1]), read(other)).name == "new"
