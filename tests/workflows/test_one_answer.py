"""The same picture gets the same answer on every path: command, Python, evaluate, report, page's engine, ONNX, and from
`transformers` alone, over ways of learning, families of networks and picture formats."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

import kunstkammer as kk
from kunstkammer.data.readers import read
from kunstkammer.evaluation.predictions import Predictions, predict_collection
from kunstkammer.metrics.decisions import decide, to_probabilities
from kunstkammer.pictures.plate import make_plate
from kunstkammer.web.inference.engines import open_engine
from tests.cli.command import run
from tests.conftest import write_collection
from tests.packaging.conftest import PYTHON, server

OWN, OTHER = 1e-5, 5e-3
"""Between our own paths: only the order of sums. With `transformers`, which scales by another kernel: a value of the
input may be one level (1/255) off."""

COMMON = {
    "training.epochs": 6, "evaluation.resamples": 100, "evaluation.pictures": 1, "evaluation.stability": 0,
    "data.split": {"train": 0.4, "validation": 0.3, "test": 0.3}, "augmentation": [],
}  # fmt: skip
SKETCH = {"model.options": {"stages": [[4], [8]], "dense": 8}, "training.optimizer.learning_rate": 0.03}
WAYS = {
    "grey sketchnet": {"picture.size": 32, "picture.channels": "grey", **SKETCH},
    "colour sketchnet, cropped": {"picture.size": 32, "picture.channels": "colour", "picture.fit": "crop", **SKETCH},
    "grey sketchnet, padded": {"picture.size": 32, "picture.channels": "grey", "picture.fit": "pad", **SKETCH},
    "grey resnet": {"picture.size": 48, "picture.channels": "grey", "model.name": "resnet-10", "model.options": {},
                    "model.dropout": None},
    "frozen grey resnet": {"picture.size": 48, "picture.channels": "grey", "model.name": "resnet-10",
                           "model.train": "frozen", "model.options": {}, "model.dropout": None},
}  # fmt: skip


def many_labels(folder: Path) -> Path:
    """Write pictures that may carry `dark`, `red`, both or neither, and a table of them."""
    random = np.random.default_rng(1)
    folder.mkdir()
    lines = ["file_name,labels"]
    for i in range(120):
        dark, red = random.random() < 0.4, random.random() < 0.3
        pixels = np.clip(random.normal(60 if dark else 190, 40, (40, 40, 3)), 0, 255)
        pixels[..., 0] = np.clip(pixels[..., 0] + (80 if red else -20), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png,{'|'.join(n for n, is_so in (('dark', dark), ('red', red)) if is_so)}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module", params=[*WAYS, "many labels"])
def trained(request, tmp_path_factory) -> tuple[Path, Path]:
    """A collection and a run that was trained on it."""
    place = tmp_path_factory.mktemp("one")
    if request.param == "many labels":
        data = many_labels(place / "data")
        settings = {"picture.size": 32, "picture.channels": "colour", "training.loss": "bce", **SKETCH,
                    "data.label_separator": "|"}  # fmt: skip
        settings = COMMON | settings
    else:
        data = write_collection(place / "data", each=40)
        settings = COMMON | WAYS[request.param]
    kk.train(data, recipe="anime-cartoon", out=place / "run", settings=settings)
    return data, place / "run"


@pytest.fixture(scope="module")
def pictures(trained, tmp_path_factory) -> list[Path]:
    """Pictures of every kind that people have, one of each."""
    folder = tmp_path_factory.mktemp("formats")
    random = np.random.default_rng(2)
    smooth = Image.fromarray(random.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize((210, 270), Image.BICUBIC)
    found = []
    for name, image, options in (
        ("a.png", smooth, {}),
        ("b.jpg", smooth, {"quality": 90}),
        ("c.jpg", smooth.resize((900, 700)), {"quality": 75}),
        ("d.webp", smooth, {"lossless": True}),
        ("e.gif", smooth.convert("P"), {}),
        ("f.tif", smooth, {}),
        ("g.bmp", smooth, {}),
        ("h.png", smooth.convert("L"), {}),
        ("i.png", smooth.resize((40, 300)), {}),
    ):
        share = 0.3 + 0.08 * len(found)  # from dark to light, or all get nearly the same answer
        tone = image if image.mode == "P" else image.point(lambda value, share=share: int(value * share))
        tone.save(folder / name, **options)
        found.append(folder / name)
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth.save(turned, "JPEG", exif=exif, quality=95)
    (folder / "j.jpg").write_bytes(turned.getvalue())
    return [*found, folder / "j.jpg"]


def test_every_path_of_ours_says_the_same(trained, pictures, tmp_path):
    _, folder = trained
    told = kk.predict(folder, pictures, out=tmp_path / "all.csv").predictions
    assert np.ptp(told.probabilities, axis=0).max() > 1e-3  # or nothing is compared
    printed = run("predict", str(folder), *map(str, pictures), "--top", "9", "--json").json()["predictions"]
    by_command = np.array(
        [[{x["label"]: x["probability"] for x in row["labels"]}[name] for name in told.label_names] for row in printed]
    )
    engine = open_engine(folder)
    exported = open_engine(kk.export(folder, out=tmp_path / "onnx").out)
    answers = {"command": by_command, "csv": Predictions.load(tmp_path / "all.csv").probabilities}
    for name, one in (("engine", engine), ("onnx", exported)):
        plates = np.stack([make_plate(file, one.plate_settings, file.name) for file in pictures])
        answers[name] = to_probabilities(one.logits(plates), multi_label=one.multi_label)
        decided = decide(answers[name], multi_label=one.multi_label, thresholds=one.thresholds)
        assert np.array_equal(decided, told.decided()), name
    for name, table in answers.items():
        np.testing.assert_allclose(table, told.probabilities, atol=1e-4 if name == "onnx" else OWN, err_msg=name)
    said = [{x["label"] for x in row["labels"] if x["predicted"]} for row in printed]
    assert said == [set(told.predicted(i)) for i in range(len(told))]


def test_the_page_and_its_api_say_the_same(trained, pictures, tmp_path):
    _, folder = trained
    told = kk.predict(folder, pictures).predictions
    command = [PYTHON, "-m", "kunstkammer", "serve", str(folder), "--port", "0", "--folder", str(tmp_path / "house")]
    with server(command, KUNSTKAMMER_DECODERS="1") as url, httpx.Client(base_url=url, timeout=60) as visitor:
        headers = {"X-CSRF-Token": visitor.get("/api/v1/session").json()["csrf"]}
        sent = [("files", (file.name, file.read_bytes())) for file in pictures]
        rows = visitor.post("/api/v1/predict", files=sent, headers=headers).json()["predictions"]
    assert len(rows) == len(pictures)
    for i, row in enumerate(rows):
        table = {score["label"]: score["probability"] for score in row["answer"]["scores"]}
        said = [table[label] for label in told.label_names]
        np.testing.assert_allclose(said, told.probabilities[i], atol=OWN, err_msg=row["name"])
        chosen = {score["label"] for score in row["answer"]["scores"] if score["chosen"]}
        assert chosen == set(told.predicted(i))


def test_transformers_alone_says_the_same(trained, pictures):
    _, folder = trained
    told = kk.predict(folder, pictures).predictions
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    upright = []
    for file in pictures:
        image = Image.open(file)
        turn = Image.Transpose.ROTATE_270 if image.getexif().get(0x0112) == 6 else None
        upright.append((image.transpose(turn) if turn is not None else image).convert("RGB"))
    with torch.inference_mode():
        logits = torch.cat([model(**processor(images=image, return_tensors="pt")).logits for image in upright])
    table = to_probabilities(logits.numpy(), multi_label=told.multi_label)
    np.testing.assert_allclose(table, told.probabilities, atol=OTHER)


def test_evaluate_and_the_report_of_training_say_the_same(trained, tmp_path):
    data, folder = trained
    again = kk.evaluate(folder, data, out=tmp_path / "again", stability=0)
    first = json.loads((folder / "metrics.json").read_text())
    second = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert again.part == "test"
    assert again.to_json()["seen_in_training"] == 0
    for key in ("n", "groups", "zero_r", "confusion"):
        assert first[key] == second[key], key
    for name, value in first["metrics"].items():
        assert second["metrics"][name] == pytest.approx(value, abs=1e-6), name
    kept, now = (Predictions.load(place / "predictions.csv") for place in (folder, tmp_path / "again"))
    assert kept.files == now.files
    np.testing.assert_allclose(kept.probabilities, now.probabilities, atol=OWN)
    collection = read(data)
    chosen = collection.select([i for i, file in enumerate(collection.files) if file in set(kept.files)])
    told, _ = predict_collection(kk.open_run(folder), chosen, show_progress=False)
    np.testing.assert_allclose(told.probabilities, kept.probabilities[told.places(kept.files)], atol=OWN)


def test_with_many_labels_the_thresholds_count_everywhere(trained, tmp_path):
    data, folder = trained
    config = json.loads((folder / "config.json").read_text())
    if config["problem_type"] != "multi_label_classification":
        pytest.skip("one label a picture has no thresholds")
    config["label_thresholds"] = [0.05, 0.97]
    other = tmp_path / "run"
    other.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    (other / "config.json").write_text(json.dumps(config))
    measured = kk.evaluate(other, data, out=tmp_path / "out", stability=5)
    said = measured.predictions.probabilities > [0.05, 0.97]
    truth = measured.predictions.targets.astype(bool)
    assert measured.metrics["subset_accuracy"].value == pytest.approx((said == truth).all(axis=1).mean())
    assert [row.predicted for row in measured.evaluation.classes] == said.sum(axis=0).tolist()
    assert measured.evaluation.confusion.tolist() == (truth.astype(int).T @ said.astype(int)).tolist()
    answers = kk.predict(other, data, out=tmp_path / "a.jsonl").predictions
    rows = [json.loads(line)["labels"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert rows == [list(answers.predicted(i)) for i in range(len(answers))]
    maps = kk.explain(other, data / "000.png", out=tmp_path / "maps", method="gradient").maps
    row = answers.probabilities[answers.files.index(str(data / "000.png"))]
    expected = {name for name, above in zip(("dark", "red"), row > [0.05, 0.97], strict=True) if above}
    assert {one["target"] for one in maps} == (expected or {("dark", "red")[int(row.argmax())]})
