"""Corrections leave as a collection that the house reads again, with nothing of their visitors in it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kunstkammer
from kunstkammer.errors import DataError, ResourceError
from kunstkammer.web.records import Answer, Score
from kunstkammer.web.store import export_corrections
from kunstkammer.web.store.corrections import export, write_corrections
from tests.cli.command import run
from tests.web.store.conftest import answer, facts_of, files_in


def picture_bytes(seed: int, format: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def corrected(store, seed: int, labels, *, visitor="curator-secret", model="m", said=None, format="PNG"):
    """Upload a picture that a model calls comic, and correct it."""
    data = picture_bytes(seed, format)
    facts = replace(facts_of(data), format=format)
    picture = store.add(visitor, data, facts, name="my private name.png", thumbnail=b"")
    store.put_answer(visitor, picture.id, said or answer(model, comic=0.8, manga=0.2))
    store.correct(visitor, picture.id, model, labels)
    return picture


def of_many(model: str, **shares: float) -> Answer:
    return Answer(model, "v7", tuple(Score(k, v, 0.1, v > 0.5) for k, v in shares.items()), False, 0.5)


def rows_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_one_label_a_picture(store, tmp_path) -> None:
    first = corrected(store, 1, ["manga"])
    corrected(store, 2, ["comic"], format="JPEG")
    out = tmp_path / "out"
    assert export_corrections(store, out) == out
    read = kunstkammer.read(out)
    assert not read.multi_label
    assert sorted(read.labels) == [["comic"], ["manga"]]
    assert all(read.open(i).size == (24, 24) for i in range(2))
    rows = {row["label"]: row for row in rows_of(out)}
    assert rows["manga"] == {
        "file_name": f"pictures/{first.facts.sha256[:32]}.png",
        "label": "manga",
        "corrected_from": "comic",
        "model": "m",
        "version": "v1",
        "at": rows["manga"]["at"],
    }
    assert rows["comic"]["file_name"].endswith(".jpg")
    everything = "".join(files_in(out)) + (out / "metadata.jsonl").read_text()
    assert not any(word in everything for word in ("curator", "secret", "private", first.id))


def test_many_labels_a_picture(store, tmp_path) -> None:
    corrected(store, 1, ["sad", "angry"], said=of_many("m", sad=0.7, angry=0.2, happy=0.6))
    corrected(store, 2, [], said=of_many("m", sad=0.7, angry=0.2, happy=0.1))
    corrected(store, 3, ["happy"], said=of_many("m", sad=0.7, angry=0.2, happy=0.1))
    read = kunstkammer.read(export_corrections(store, tmp_path / "out"))
    assert read.multi_label
    assert sorted(read.labels) == [[], ["angry", "sad"], ["happy"]]
    assert sorted(row["corrected_from"] for row in rows_of(tmp_path / "out")) == [["happy", "sad"], ["sad"], ["sad"]]


def test_many_labels_also_where_each_was_given_one(store, tmp_path) -> None:
    corrected(store, 1, ["sad"], said=of_many("m", sad=0.2, angry=0.9, happy=0.1))
    assert kunstkammer.read(export_corrections(store, tmp_path / "out")).multi_label


def test_the_latest_word_on_a_content_counts(store, tmp_path) -> None:
    picture = corrected(store, 1, ["manga"])
    corrected(store, 1, ["comic"], visitor="bob")
    corrected(store, 2, ["manga"])
    corrected(store, 2, ["manga"], visitor="bob")
    exported = write_corrections(store, tmp_path / "out")
    assert (exported.pictures, exported.changed, exported.labels) == (2, 1, {"comic": 1, "manga": 1})
    (sentence,) = exported.contradictions
    assert picture.facts.sha256[:32] in sentence
    assert "'manga' and 'comic'" in sentence
    assert sentence in exported.to_text()


def test_models_of_one_vocabulary_go_together_others_do_not(store, tmp_path) -> None:
    corrected(store, 1, ["manga"])
    corrected(store, 2, ["manga"], model="n")
    assert write_corrections(store, tmp_path / "both").pictures == 2
    assert write_corrections(store, tmp_path / "one", model="n").pictures == 1
    corrected(store, 3, ["sad"], model="feelings", said=answer("feelings", sad=0.1, happy=0.9))
    with pytest.raises(DataError, match=r"different labels: feelings, m, n; name one with --model"):
        export_corrections(store, tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()
    assert write_corrections(store, tmp_path / "named", model="feelings").labels == {"sad": 1}


def test_what_cannot_be_exported_is_said(store, tmp_path, monkeypatch) -> None:
    with pytest.raises(DataError, match="Nobody has corrected"):
        export_corrections(store, tmp_path / "out")
    corrected(store, 1, ["manga"])
    with pytest.raises(DataError, match=r"no corrections of 'mm'.*There are of: m\."):
        export_corrections(store, tmp_path / "out", model="mm")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(DataError, match="not empty"):
        export_corrections(store, tmp_path / "full")

    def fail(*_arguments) -> bytes:
        raise ResourceError("the disk is gone")

    monkeypatch.setattr(store, "bytes_of", fail)
    with pytest.raises(ResourceError):
        export_corrections(store, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "house") == ["full"]


def test_the_command(store, settings, database, tmp_path) -> None:
    corrected(store, 1, ["manga"])
    words = ["--out", tmp_path / "out", "--folder", settings.folder, "--database", database, "--json"]
    done = run("corrections", "export", *map(str, words))
    assert json.loads(done.stdout)["labels"] == {"manga": 1}
    assert len(kunstkammer.read(tmp_path / "out")) == 1


def test_a_folder_without_a_server_is_not_made(tmp_path) -> None:
    with pytest.raises(ResourceError, match="--folder"):
        export(tmp_path / "out", folder=tmp_path / "wrong")
    assert list(tmp_path.iterdir()) == []
