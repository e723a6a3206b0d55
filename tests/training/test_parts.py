"""Parts: what cannot be learned from or measured is refused before anything is computed."""

import pytest

import kunstkammer
from kunstkammer.errors import DataError
from tests.conftest import write_collection
from tests.workflows.test_train import RECIPE


def many_labels(tmp_path, split=None, labelled=lambda part, i: True):
    """Noise with the labels dark, light and even; `split(i)` is a picture's part."""
    data = write_collection(tmp_path / "noise", each=20)
    rows = ["file_name,labels" + (",split" if split else "")]
    for label in ("dark", "light"):
        for i in range(20):
            part = split(i) if split else ""
            own = f"{label}{'|even' if i % 2 == 0 else ''}" if labelled(part, i) else ""
            rows.append(f"{label}/{i:03}.png,{own}" + (f",{part}" if split else ""))
    (data / "metadata.csv").write_text("\n".join(rows))
    return data


def thirds(i):
    return ("train", "train", "validation", "test")[i % 4]


@pytest.fixture
def nothing_is_computed(monkeypatch):
    from kunstkammer.training import fit, frozen

    def refuse(*_, **__):
        raise AssertionError("something was learnt")

    monkeypatch.setattr(fit, "fit", refuse)
    monkeypatch.setattr(frozen, "fit_frozen", refuse)


def refused(data, tmp_path, match, **settings):
    settings = {key.replace("__", "."): value for key, value in settings.items()}
    with pytest.raises(DataError, match=match):
        kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("nothing_is_computed")
@pytest.mark.parametrize("many", [False, True])
def test_a_split_without_a_test_part_is_refused_before_pictures_are_read(tmp_path, many, monkeypatch):
    from kunstkammer.data import survey

    monkeypatch.setattr(survey, "survey", lambda *_, **__: pytest.fail("the pictures were read"))
    data = many_labels(tmp_path) if many else write_collection(tmp_path / "noise")
    shares = {"data__split__train": 0.8, "data__split__validation": 0.2, "data__split__test": 0}
    refused(data, tmp_path, "data.split.test is 0", **shares)


@pytest.mark.usefixtures("nothing_is_computed")
def test_a_metric_without_validation_is_refused(tmp_path):
    data = many_labels(tmp_path)
    shares = {"data__split__train": 0.8, "data__split__validation": 0, "data__split__test": 0.2}
    refused(data, tmp_path, "training.metric roc_auc cannot be followed", training__metric="roc_auc", **shares)
    refused(data, tmp_path, "training.early_stopping", training__early_stopping={"patience": 2}, **shares)


@pytest.mark.usefixtures("nothing_is_computed")
@pytest.mark.parametrize(
    ("bare", "settings", "match"),
    [
        ("test", {}, "test part has a label"),
        ("train", {}, "training part has a label"),
        ("validation", {"training__metric": "macro_f1"}, "no picture of the validation part has a label"),
    ],
)
def test_a_part_without_any_label_is_refused(tmp_path, bare, settings, match):
    data = many_labels(tmp_path, thirds, lambda part, i: part != bare)
    refused(data, tmp_path, match, **settings)


@pytest.mark.usefixtures("nothing_is_computed")
def test_a_given_test_part_that_cannot_be_read_is_refused_and_not_drawn_anew(tmp_path):
    for part in ("train", "test"):
        write_collection(tmp_path / "pages" / part, each=6, seed=len(part))
    for file in (tmp_path / "pages" / "test").rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])
    refused(tmp_path / "pages", tmp_path, "given test part can be used")


def test_without_validation_the_last_epoch_is_kept_where_nobody_asks_for_more(tmp_path):
    data = many_labels(tmp_path)
    settings = {"data.split.train": 0.8, "data.split.validation": 0, "data.split.test": 0.2, "training.loss": "bce"}
    measured = kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings=settings)
    assert measured.n == 8
