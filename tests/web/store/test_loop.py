"""The correction loop: uploaded, answered wrongly, corrected, exported, learned from, answered rightly."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

import kunstkammer
from kunstkammer.web.records import Answer, Facts, Score
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store, export_corrections
from tests.conftest import write_collection
from tests.web.store.conftest import facts_of
from tests.workflows.test_additions import barred, parts_of
from tests.workflows.test_train import RECIPE

EPOCHS = {"training.epochs": 12}


def png_of(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def said_of(run: Path, folder: Path) -> dict[str, str]:
    """Return what a model says of each picture of a folder: name -> label."""
    predictions = kunstkammer.predict(run, folder, out=run.with_suffix(".csv")).predictions
    best = predictions.probabilities.argmax(axis=1)
    return {Path(file).name: predictions.label_names[k] for file, k in zip(predictions.files, best, strict=True)}


def correct_on_the_page(store: Store, pictures: dict[str, bytes], said: dict[str, str]) -> None:
    """Upload pictures, keep what the model said of them, and correct what is wrong: all of them are light."""
    for name, data in pictures.items():
        facts = Facts(facts_of(data).sha256, "PNG", 48, 48, len(data))
        picture = store.add("a visitor", data, facts, name=name, thumbnail=b"")
        scores = tuple(Score(k, 0.9 if k == said[name] else 0.1, 0.5, k == said[name]) for k in ("dark", "light"))
        store.put_answer("a visitor", picture.id, Answer("before", "v1", scores, False, 0.3))
        if said[name] != "light":
            store.correct("a visitor", picture.id, "before", ["light"])


def test_a_model_learns_from_its_corrections(tmp_path) -> None:
    """The model of dark and light noise calls dark pictures with bright bars dark; people say that they are light."""
    data = write_collection(tmp_path / "noise", each=20)
    asked = tmp_path / "asked"
    asked.mkdir()
    pictures = {f"corrected-{i}.png": png_of(barred(i)) for i in range(12)}
    pictures |= {f"other-{i}.png": png_of(barred(500 + i)) for i in range(6)}
    for name, picture in pictures.items():
        (asked / name).write_bytes(picture)
    kunstkammer.train(data, RECIPE, out=tmp_path / "before", settings=EPOCHS)
    before = said_of(tmp_path / "before", asked)
    assert list(before.values()).count("dark") >= 16

    store = Store.open(Settings(folder=tmp_path / "house"))
    uploaded = {name: picture for name, picture in pictures.items() if name.startswith("corrected")}
    correct_on_the_page(store, uploaded, before)
    corrections = export_corrections(store, tmp_path / "corrections")
    store.close()
    shutil.rmtree(tmp_path / "house")
    kunstkammer.train(data, RECIPE, out=tmp_path / "after", settings=EPOCHS, add=corrections)

    after = said_of(tmp_path / "after", asked)
    changed = [after[name] for name in uploaded if before[name] == "dark"]
    assert changed.count("light") >= 0.9 * len(changed)
    others = [label for name, label in after.items() if name not in uploaded]
    assert others.count("light") >= 5
    old, new = parts_of(tmp_path / "before"), parts_of(tmp_path / "after")
    assert {file: part for file, part in new.items() if file in old} == old
    assert {part for file, part in new.items() if file not in old} == {"train"}
    facts = json.loads((tmp_path / "after" / "run.json").read_text(encoding="utf-8"))
    assert facts["added"] == {"corrections": len(changed)}
    card = (tmp_path / "after" / "README.md").read_text(encoding="utf-8")
    assert f"Added to training: {len(changed)} of {len(changed)} pictures" in card
