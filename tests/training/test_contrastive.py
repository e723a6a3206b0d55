"""The second way of learning: no caption twice in a batch, losses as published, the same loop, an exact resume."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModel

import kunstkammer as kk
from kunstkammer.errors import DataError, ModelError, RecipeError
from kunstkammer.metrics.retrieval import hits_at, recall_at
from kunstkammer.training.contrastive import DistinctBatches, pair_loss

TINY = {
    "picture.size": 32, "training.epochs": 2, "training.batch_size": 8, "evaluation.resamples": 100,
    "model.name": "sketchnet", "model.options": {"stages": [[8], [16]], "dense": 16}, "learning.width": 8,
    "augmentation": [], "evaluation.pictures": 2,
}  # fmt: skip


@given(st.lists(st.integers(0, 12), min_size=2, max_size=80), st.integers(1, 20), st.integers(0, 5))
def test_no_batch_holds_a_caption_twice_and_every_picture_is_dealt_once(numbers, batch_size, epoch):
    captions = [f"caption {number}" for number in numbers]
    if len(set(captions)) < 2:
        with pytest.raises(DataError, match="All captions are alike"):
            DistinctBatches(np.arange(len(captions)), captions, batch_size, 0)
        return
    batches = DistinctBatches(np.arange(len(captions)), captions, batch_size, 0)
    batches.set_epoch(epoch)
    keys, again = list(batches), list(batches)
    assert len(keys) == len(batches)
    for key, same in zip(keys, again, strict=True):
        assert np.array_equal(key.indices, same.indices)
        assert len({captions[i] for i in key.indices}) == len(key.indices)
    dealt = np.concatenate([key.indices for key in keys])
    assert len(set(dealt.tolist())) == len(dealt)
    assert len(dealt) == sum(min(captions.count(one), len(batches)) for one in set(captions))
    assert min(len(key.indices) for key in keys) >= 2


def test_a_batch_of_one_pair_teaches_nothing_and_is_not_made():
    sizes = [len(key.indices) for key in DistinctBatches(np.arange(100), ["a"] * 99 + ["b"], 32, 0)]
    assert sizes == [2]
    sizes = [len(key.indices) for key in DistinctBatches(np.arange(3), ["a", "b", "c"], 2, 0)]
    assert min(sizes) >= 2


def test_the_losses_are_those_of_the_papers():
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    rows, columns = logits.log_softmax(1).diagonal(), logits.log_softmax(0).diagonal()
    assert pair_loss(logits, "info-nce") == pytest.approx(float(-(rows.mean() + columns.mean()) / 2), rel=1e-5)
    total = 0.0
    for i in range(5):
        for j in range(5):
            total -= torch.nn.functional.logsigmoid((1 if i == j else -1) * logits[i, j]).item()
    assert pair_loss(logits, "sigmoid") == pytest.approx(total / 5, rel=1e-5)


@given(st.integers(2, 8), st.integers(1, 8), st.integers(0, 50))
def test_recall_counts_what_is_among_the_first_and_ties_are_chance(candidates, k, seed):
    random = np.random.default_rng(seed)
    similarity = random.permuted(np.tile(np.arange(candidates, dtype=float), (6, 1)), axis=1)
    relevant = random.random((6, candidates)) < 0.4
    order = np.argsort(-similarity, axis=1)[:, :k]
    expected = np.take_along_axis(relevant, order, axis=1).any(axis=1)
    assert recall_at(similarity, relevant, k) == pytest.approx(expected.mean())
    drawn = [relevant[:, random.permutation(candidates)[:k]].any(axis=1) for _ in range(3000)]
    assert hits_at(np.zeros_like(similarity), relevant, k) == pytest.approx(np.mean(drawn, axis=0), abs=0.06)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return kk.draw("comics", out=tmp_path_factory.mktemp("drawn") / "pages", n=60).out


def test_it_learns_drawn_captions_and_writes_a_run(pages, tmp_path):
    found = kk.train(pages, "captions", out=tmp_path / "run", settings=TINY)
    printed = found.to_json()
    assert printed["n"] == 12
    assert set(printed["metrics"]) == set(printed["zero_r"])
    assert all(0 <= m["low"] <= m["value"] <= m["high"] <= 1 for m in printed["metrics"].values())
    assert "recall_at_1_text_for_picture" in found.to_text()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"
    assert "Was gefunden wird" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(ModelError, match="model of pictures and captions, which has no labels"):
        kk.predict(tmp_path / "run", pages)
    model = AutoModel.from_pretrained(tmp_path / "run")
    assert model.config.model_type == "kunstkammer-dual"
    vectors = model.embed_pictures(torch.zeros(2, 3, 32, 32))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert {"train_recall_at_1", "validation_recall_at_5", "validation_loss"} <= set(history[0])


def test_a_small_network_learns_what_is_easy(tmp_path):
    """Six plain colours with their names: found at once, far above chance."""
    from PIL import Image

    colours = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "yellow": (230, 220, 40),
               "black": (10, 10, 10), "white": (245, 245, 245)}  # fmt: skip
    random = np.random.default_rng(0)
    lines = ["file_name,caption"]
    for name, colour in colours.items():
        for i in range(20):
            pixels = np.clip(np.array(colour) + random.normal(0, 12, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{name}{i}.png")
            lines.append(f"{name}{i}.png,a {name} sheet")
    (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n")
    settings = TINY | {"training.epochs": 12, "training.batch_size": 6}
    found = kk.train(tmp_path, "captions", out=tmp_path / "run", settings=settings)
    recall = found.metrics["recall_at_1_text_for_picture"]
    assert recall.low > 2 * found.zero_r["recall_at_1_text_for_picture"]


@pytest.mark.slow
def test_killed_it_goes_on_and_ends_with_the_same_weights(pages, tmp_path):
    settings = TINY | {"training.epochs": 6, "training.checkpoint_seconds": 0.01}
    kk.train(pages, "captions", out=tmp_path / "whole", settings=settings)
    changes = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    command = [sys.executable, "-m", "kunstkammer", "train", str(pages), "--recipe", "captions", "--out",
               str(tmp_path / "killed"), *changes]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "killed" / "state").glob("*/*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not (tmp_path / "killed" / "config.json").exists():
        kk.train(pages, out=tmp_path / "killed", resume=True)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_what_it_cannot_be_is_refused(pages, tmp_path):
    for settings, message in (
        ({"picture.channels": "grey"}, "learns from colour"),
        ({"model.train": "head"}, "trains all weights"),
        ({"data.text_column": "captoin"}, "Did you mean 'caption'"),
        ({"training.batch_size": 1}, "set training.batch_size to 2"),
        ({"model.dropout": 0.3}, "leave model.dropout out"),
    ):
        with pytest.raises((RecipeError, DataError), match=message):
            kk.train(pages, "captions", out=tmp_path / "run", settings=TINY | settings)
        assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match="--add is for recipes that learn labels"):
        kk.train(pages, "captions", out=tmp_path / "run", settings=TINY, add=pages)


def test_pictures_without_a_caption_are_left_out_and_a_stopped_run_goes_on(pages, tmp_path, monkeypatch):
    from kunstkammer.workflows import train_pairs

    data = tmp_path / "pages"
    shutil.copytree(pages, data)
    with open(data / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[3]["caption"] = ""
    with open(data / "metadata.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    def broken(*_):
        raise DataError("The report broke.")

    with monkeypatch.context() as patch:
        patch.setattr(train_pairs, "_measure", broken)
        with pytest.raises(DataError, match="--resume"):
            kk.train(data, "captions", out=tmp_path / "run", settings=TINY)
    found = kk.train(data, out=tmp_path / "run", resume=True)
    assert found.evaluation.n == 12
