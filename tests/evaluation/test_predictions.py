"""Predictions: as a table, as files, and from a model over a collection."""

from __future__ import annotations

import csv
import json
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.data.plates import PlateSettings, make_plates
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, ResourceError
from kunstkammer.evaluation import predictions as predictions_module
from kunstkammer.evaluation.predictions import Predictions, align_targets, predict_collection
from kunstkammer.metrics.decisions import to_probabilities

from .conftest import make


class FakeCheckpoint:
    """A model that answers by the brightness of a picture, and remembers the batches that it saw."""

    def __init__(self, labels=("comic", "manga"), *, multi_label=False, grey=True, size=(12, 10)):
        self.label_names, self.multi_label = tuple(labels), multi_label
        self.plate_settings = PlateSettings(*size, grey=grey, fit="squash")
        self.batches: list[torch.Tensor] = []
        self.model = torch.nn.Identity()
        self.text = self.thresholds = None

    def probabilities(self, plates: torch.Tensor, **extras):
        return to_probabilities(self.logits(plates).numpy(), multi_label=self.multi_label)

    def extras(self, collection) -> dict:
        return {}

    def logits(self, plates: torch.Tensor) -> torch.Tensor:
        assert plates.dtype == torch.uint8
        self.batches.append(plates.clone())
        light = plates.float().mean(dim=(1, 2, 3)) / 255
        return torch.stack([light * (k + 1) - 0.5 for k in range(len(self.label_names))], dim=1)


@pytest.fixture
def folder(tmp_path):
    """Two classes of 13 pictures of several formats, and one file that is no picture."""
    rng = np.random.default_rng(0)
    for label in ("comic", "manga"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(13):
            pixels = rng.integers(0, 256, (600 if i == 0 else 40, 800 if i == 0 else 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{i:02d}{('.png', '.jpg', '.webp')[i % 3]}")
    (tmp_path / "data" / "comic" / "broken.jpg").write_bytes(b"not a picture at all")
    return tmp_path / "data"


class TestPredictCollection:
    @pytest.mark.parametrize("grey", [True, False])
    def test_pictures_decoded_on_the_way_equal_the_kept_plates_bit_for_bit(self, folder, tmp_path, grey):
        collection = read(folder)
        streaming, stored = FakeCheckpoint(grey=grey), FakeCheckpoint(grey=grey)
        first, errors = predict_collection(streaming, collection, batch_size=4, show_progress=False)
        plates = make_plates(collection, stored.plate_settings, cache=tmp_path / "cache", show_progress=False)
        second, same_errors = predict_collection(stored, collection, batch_size=4, plates=plates, show_progress=False)
        assert torch.equal(torch.cat(streaming.batches), torch.cat(stored.batches))
        assert [batch.shape[0] for batch in streaming.batches] == [4] * 6 + [2]
        assert first.files == second.files
        assert np.array_equal(first.probabilities, second.probabilities)
        assert [e.file for e in errors] == [e.file for e in same_errors] == ["comic/broken.jpg"]

    def test_unreadable_pictures_are_collected_and_the_rest_keeps_its_order_and_truth(self, folder):
        collection = read(folder)
        found, errors = predict_collection(FakeCheckpoint(), collection, batch_size=5, show_progress=False)
        assert found.files == [file for file in collection.files if file != "comic/broken.jpg"]
        assert [found.truth(i) for i in range(len(found))] == [(file.split("/")[0],) for file in found.files]
        assert errors[0].cause

    def test_probabilities_are_softmax_or_sigmoid(self, folder):
        collection = read(folder)
        one, _ = predict_collection(FakeCheckpoint(), collection, show_progress=False)
        np.testing.assert_allclose(one.probabilities.sum(axis=1), 1, atol=1e-12)
        several, _ = predict_collection(FakeCheckpoint(multi_label=True), collection, show_progress=False)
        light = FakeCheckpoint(multi_label=True)
        predict_collection(light, collection, show_progress=False)
        logits = light.logits(torch.cat(light.batches)).double()
        np.testing.assert_allclose(several.probabilities, logits.sigmoid().numpy(), atol=1e-7)
        assert several.targets.sum(axis=1).tolist() == [1] * len(several)

    def test_no_more_than_a_few_batches_are_held_at_a_time(self, folder, monkeypatch):
        collection = read(folder)
        asked: list[int] = []
        source = type(collection).source

        def counted(self, i):
            asked.append(i)
            return source(self, i)

        monkeypatch.setattr(type(collection), "source", counted)
        seen: list[int] = []

        class Slow(FakeCheckpoint):
            def logits(self, plates):
                seen.append(len(asked))
                return super().logits(plates)

        monkeypatch.setattr(predictions_module, "WINDOW_BATCHES", 2)
        predict_collection(Slow(), collection, batch_size=2, show_progress=False)
        assert len(seen) > 2
        assert all(asked_for <= (k // 2 + 1) * 4 for k, asked_for in enumerate(seen))

    def test_a_model_that_fails_stops_the_decoding(self, folder):
        class Failing(FakeCheckpoint):
            def logits(self, plates):
                raise RuntimeError("no memory")

        before = threading.active_count()
        with pytest.raises(RuntimeError, match="no memory"):
            predict_collection(Failing(), read(folder), batch_size=2, show_progress=False)
        assert threading.active_count() == before

    def test_plates_of_other_settings_are_refused(self, folder, tmp_path):
        collection = read(folder)
        plates = make_plates(collection, PlateSettings(8, 8), cache=tmp_path, show_progress=False)
        with pytest.raises(DataError, match="do not fit"):
            predict_collection(FakeCheckpoint(), collection, plates=plates, show_progress=False)

    def test_a_batch_of_nothing_is_refused(self, folder):
        with pytest.raises(DataError, match="batch_size"):
            predict_collection(FakeCheckpoint(), read(folder), batch_size=0, show_progress=False)

    def test_truth_follows_the_order_of_the_model_and_what_it_does_not_know_is_unlabelled(self, folder):
        collection = read(folder)
        assert align_targets(collection, ("zzz", "manga"), multi_label=False).tolist() == [-1] * 14 + [1] * 13
        assert align_targets(collection, ("cat", "dog"), multi_label=False) is None
        many = align_targets(collection, ("manga", "comic"), multi_label=True)
        assert many[0].tolist() == [0, 1]
        assert many[-1].tolist() == [1, 0]


class TestTable:
    def test_predicted_and_truth(self, good, many):
        assert good.predicted(0) == (good.label_names[good.probabilities[0].argmax()],)
        assert good.truth(0) == (good.label_names[good.targets[0]],)
        assert many.predicted(3) == tuple(
            name for name, p in zip(many.label_names, many.probabilities[3], strict=True) if p > 0.5
        )

    def test_json_is_sorted_and_cut(self, many):
        first = many.to_json(top=3)[0]
        shown = [entry["probability"] for entry in first["labels"]]
        assert shown == sorted(many.probabilities[0], reverse=True)[:3]
        assert set(first) == {"file", "labels"}

    @pytest.mark.parametrize("wrong", [np.zeros((3, 2)), np.zeros((2, 3))])
    def test_shapes_are_checked(self, wrong):
        with pytest.raises(DataError, match="shape"):
            Predictions(["a", "b"], ("x", "y"), wrong)
        with pytest.raises(DataError, match="shape"):
            Predictions(["a"], ("x",), np.ones((1, 1)), np.zeros(2))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
HOSTILE = st.sampled_from(
    ["=1+1", "+x", "-x", "@sum", "'=x", "''-", "a,b", 'a"b', "zwei\nZeilen", "Jörg 🎴", "./x", "file"]
)


class TestFiles:
    @pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
    @given(data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_what_is_saved_is_loaded_whatever_the_names(self, tmp_path_factory, suffix, data):
        labels = data.draw(st.lists(NAMES | HOSTILE, min_size=2, max_size=4, unique=True))
        files = data.draw(st.lists((NAMES | HOSTILE).filter(lambda f: not f.startswith("./")), min_size=1, max_size=4))
        if suffix == ".csv":  # a CSV cell cannot tell these line ends apart
            labels = list(dict.fromkeys(name.replace("\r", "") or "x" for name in labels))
            files = [name.replace("\r", "") or "x" for name in files]
        many = data.draw(st.booleans())
        seed = data.draw(st.integers(0, 999))
        p = np.random.default_rng(seed).random((len(files), len(labels)))
        p = p if many else p / p.sum(axis=1, keepdims=True)
        path = tmp_path_factory.mktemp("saved") / f"p{suffix}"
        saved = Predictions(files, tuple(labels), p, None, many)
        saved.save(path)
        loaded = Predictions.load(path, multi_label=many)
        assert loaded.files == saved.files
        assert loaded.label_names == saved.label_names
        np.testing.assert_allclose(loaded.probabilities, p, rtol=1e-8)

    def test_csv_columns(self, good, tmp_path):
        with open(good.save(tmp_path / "p.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["file", "label", "probability", "comic", "manga"]
        assert rows[1][1] == good.predicted(0)[0]
        assert float(rows[1][2]) == pytest.approx(good.probabilities[0].max())

    def test_csv_joins_many_labels_by_a_bar_and_knows_them_again(self, many, tmp_path):
        path = many.save(tmp_path / "p.csv")
        with open(path, newline="", encoding="utf-8") as file:
            cells = [row["label"] for row in csv.DictReader(file)]
        assert cells == ["|".join(many.predicted(i)) for i in range(len(many))]
        assert Predictions.load(path).multi_label

    def test_jsonl_keeps_the_truth(self, good, many, tmp_path):
        for predictions in (good, many):
            loaded = Predictions.load(predictions.save(tmp_path / "p.jsonl"))
            assert loaded.multi_label == predictions.multi_label
            assert np.array_equal(loaded.targets, predictions.targets)
            assert np.array_equal(loaded.probabilities, predictions.probabilities)
        first = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
        assert set(first) == {"file", "labels", "probability", "probabilities", "truth"}

    def test_two_labels_of_one_name_as_in_imagenet(self, tmp_path):
        cranes = make(np.array([1]), np.array([[0.3, 0.7]]), ("crane", "crane"))
        for suffix in (".csv", ".jsonl"):
            assert Predictions.load(cranes.save(tmp_path / f"p{suffix}")).probabilities.tolist() == [[0.3, 0.7]]

    def test_no_cell_begins_like_a_formula(self, tmp_path):
        names = ("=cmd()", "@x", "+1", "-1")
        hostile = Predictions(['=HYPERLINK("http://x")', "@eaDir/x.png"], names, np.eye(4)[:2])
        with open(hostile.save(tmp_path / "p.csv"), newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]
        assert "./@eaDir/x.png" in cells  # still the path of that file

    def test_other_formats_and_other_tables_are_refused(self, good, tmp_path):
        with pytest.raises(DataError, match=r"\.csv or \.jsonl"):
            good.save(tmp_path / "p.xlsx")
        (tmp_path / "q.csv").write_text("a,b\n1,2\n")
        with pytest.raises(DataError, match="not a table of predictions"):
            Predictions.load(tmp_path / "q.csv")
        (tmp_path / "q.jsonl").write_text('{"x": 1}\n')
        with pytest.raises(DataError, match="not a table of predictions"):
            Predictions.load(tmp_path / "q.jsonl")
        with pytest.raises(DataError, match="Cannot read"):
            Predictions.load(tmp_path / "none.csv")

    def test_a_disk_that_refuses_leaves_nothing(self, good, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ResourceError):
            good.save(tmp_path / "file" / "p.csv")
        assert [p.name for p in tmp_path.iterdir()] == ["file"]
