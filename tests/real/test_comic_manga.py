"""Real comic and manga pages, and a real ImageNet checkpoint; skipped where they are not beside the checkout."""

import pytest

import kunstkammer
from kunstkammer.data.readers import read
from kunstkammer.training.parts import plan_parts
from kunstkammer.training.recipe import DataSettings

pytestmark = pytest.mark.real


def test_the_pages_are_read_checked_and_split_by_title(shared):
    collection = read(shared / "data" / "comic_manga")
    assert (len(collection), collection.label_names) == (400, ("comic", "manga"))
    health = kunstkammer.check(collection).health
    assert not health.unreadable
    assert not health.duplicates, "pages of one title are not copies of each other"

    from kunstkammer.data.survey import survey

    parts = plan_parts(collection, survey(collection, show_progress=False), DataSettings(groups=["title"]), seed=0)
    titles = dict(zip(collection.files, collection.column("title"), strict=True))
    by_part = {part: {titles[row.file] for row in parts.rows if row.part == part} for part in ("train", "test")}
    assert not by_part["train"] & by_part["test"]
    assert {row.labels for row in parts.rows if row.part == "test"} == {("comic",), ("manga",)}


def test_an_imagenet_checkpoint_names_photographs(shared):
    result = kunstkammer.predict(shared / "weights" / "mobilenet_v2_1.0_224", shared / "data" / "photos", top=5)
    rows = result.to_json()["predictions"]
    said = {row["file"].rsplit("/", 1)[-1]: [label["label"] for label in row["labels"]] for row in rows}
    assert any("cat" in label for label in said["cat_720p.jpg"])
    assert any("hotdog" in label or "hot dog" in label for label in said["hot_dog.jpg"])
    assert any("macaw" in label or "lorikeet" in label or "parrot" in label for label in said["parrot.jpg"])


@pytest.mark.slow
def test_the_head_of_a_pretrained_network_learns_the_pages(shared, tmp_path):
    recipe = {
        "name": "head",
        "data": {"groups": ["title"]},
        "model": {"name": str(shared / "weights" / "mobilenet_v2_1.0_224"), "train": "head", "dropout": 0.2},
        "training": {"epochs": 2, "optimizer": {"learning_rate": 0.01}},
        "evaluation": {"pictures": 2, "resamples": 200},
    }
    measured = kunstkammer.train(shared / "data" / "comic_manga", recipe, out=tmp_path / "run")
    assert measured.metrics["balanced_accuracy"].value > measured.zero_r["balanced_accuracy"] + 0.15
