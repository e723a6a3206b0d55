"""Text features: every member of the kind gives rows of the promised width, and keeps itself without pickle; what is
fitted is fitted on the training part alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kunstkammer.data.collection import make_collection
from kunstkammer.errors import DataError, ModelError, RecipeError, UnknownNameError
from kunstkammer.models.text_part import TextPart, open_text
from kunstkammer.models.texts import make_text_features
from kunstkammer.registry import names

TEXTS = ["Hilfe! Hilfe!", "A ghost in the house", "助けて、お化けだ", "", "Donaudampfschiff", "a ghost"]


@pytest.fixture
def encoder(tiny_encoder):
    """A tiny BERT with random weights, as a folder."""
    return tiny_encoder


def options(name, encoder):
    return {"model": str(encoder)} if name == "hub" else {"size": 256}


def collection(texts):
    files = [f"{i}.png" for i in range(len(texts))]
    return make_collection(name="c", files=files, sources=files, labels=[["a"]] * len(files), columns={"text": texts})


@pytest.mark.parametrize("name", names("texts"))
def test_every_member_gives_rows_of_its_width_and_none_for_blanks(name, encoder):
    features = make_text_features(name, options(name, encoder))
    features.fit(TEXTS)
    rows = features.rows(TEXTS)
    found = rows[np.arange(len(TEXTS))]
    assert found.shape == (len(TEXTS), features.width)
    assert found.dtype == torch.float32
    assert not found[3].any()
    assert all(found[i].any() for i in (0, 1, 2, 4, 5))
    assert torch.equal(rows[[4, 0]], found[[4, 0]])


@pytest.mark.parametrize("name", names("texts"))
def test_every_member_is_kept_without_pickle_and_gives_the_same_again(name, encoder, tmp_path):
    made = collection(TEXTS)
    part = TextPart(name, options(name, encoder), ["text"])
    part.fit(made, np.arange(3))
    part.save(tmp_path / "run")
    again = open_text(tmp_path / "run")
    everything = np.arange(len(TEXTS))
    assert torch.equal(again.rows(made)[everything], part.rows(made)[everything])
    assert {f.suffix for f in (tmp_path / "run").rglob("*") if f.is_file()} <= {".json", ".safetensors", ".txt"}
    assert str(encoder) not in (tmp_path / "run" / "text.json").read_text(encoding="utf-8")
    again.require_unchanged(made)
    with pytest.raises(DataError, match="texts of the collection have changed"):
        again.require_unchanged(collection([*TEXTS[:-1], "a boast"]))


def test_tfidf_knows_the_words_of_the_training_part_alone():
    features = make_text_features("tfidf", {"size": 64})
    features.fit(["alpha beta", "alpha gamma"])
    assert "alpha" in features.vocabulary["words"]
    assert not features.rows(["zzz 999"])[[0]].any()
    common, rare = (features.idf["words"][features.vocabulary["words"].index(word)] for word in ("alpha", "beta"))
    assert rare == pytest.approx(common + np.log(3 / 2)), "ln((1 + 2) / (1 + 1)) + 1 against ln((1 + 2) / (1 + 2)) + 1"


def test_hashed_pieces_of_words_bring_compounds_and_japanese_together():
    rows = make_text_features("hashed", {"size": 4096}).rows(
        ["お化けが怖い", "怖いお化けだ", "天気がいい", "Dampfschiff", "Donaudampfschiff"]
    )
    v = rows[np.arange(5)]
    assert v[0] @ v[1] > v[0] @ v[2]
    assert v[3] @ v[4] > 0.2


def test_hub_is_the_mean_over_the_tokens_and_does_not_hang_on_its_neighbours(encoder):
    from transformers import AutoModel, AutoTokenizer

    features = make_text_features("hub", {"model": str(encoder), "batch_size": 2})
    rows = features.rows(["ghost", "a house in the night"])
    tokens = AutoTokenizer.from_pretrained(encoder)("ghost", return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(encoder).eval()(**tokens).last_hidden_state[0]
    torch.testing.assert_close(rows[[0]][0], hidden.mean(dim=0), atol=1e-5, rtol=1e-4)


def test_wrong_settings_are_named(tmp_path):
    with pytest.raises(UnknownNameError, match="no kind of text features 'tf-idf'. Did you mean 'tfidf'"):
        make_text_features("tf-idf", {})
    with pytest.raises(RecipeError, match="hashed has no option 'sizes'. Did you mean 'size'"):
        make_text_features("hashed", {"sizes": 64})
    with pytest.raises(RecipeError, match=r"size is 7; give an even number"):
        make_text_features("tfidf", {"size": 7})
    with pytest.raises(RecipeError, match="name the folder or the hub id"):
        make_text_features("hub", {})
    with pytest.raises(ModelError, match=r"holds no model\.safetensors"):
        make_text_features("hub", {"model": str(tmp_path)})
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="Cannot open the text encoder"):
        make_text_features("hub", {"model": str(tmp_path)})
    with pytest.raises(ModelError, match="There is no checkpoint folder"):
        make_text_features("hub", {"model": str(tmp_path / "encodr")})
    with pytest.raises(DataError, match="hold no word"):
        make_text_features("tfidf", {"size": 64}).fit(["", " "])


def test_a_damaged_text_part_is_a_model_error(tmp_path):
    part = TextPart("tfidf", {"size": 64}, ["text"])
    part.fit(collection(TEXTS), np.arange(3))
    part.save(tmp_path)
    kept = json.loads((tmp_path / "text.json").read_text(encoding="utf-8"))
    kept["vocabulary"]["words"].append("more")
    (tmp_path / "text.json").write_text(json.dumps(kept))
    with pytest.raises(ModelError, match="does not fit"):
        open_text(tmp_path)
    (tmp_path / "text.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="damaged"):
        open_text(tmp_path)
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(ModelError, match=r"text\.json is damaged"):
        open_text(tmp_path)


def test_a_run_without_its_encoder_is_refused_and_nothing_is_looked_up_elsewhere(encoder, tmp_path, monkeypatch):
    part = TextPart("hub", {"model": str(encoder)}, ["text"])
    part.fit(collection(TEXTS), np.arange(3))
    part.save(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "text-encoder")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="has no text-encoder"):
        open_text(Path("run"))


def test_an_encoder_that_lacks_weights_is_refused_and_a_pooler_is_not_needed(encoder, tmp_path):
    for name, dropped in (("no-pooler", "pooler."), ("no-layer", "encoder.layer.0.")):
        folder = shutil.copytree(encoder, tmp_path / name)
        weights = load_file(folder / "model.safetensors")
        kept = {key: value for key, value in weights.items() if not key.startswith(dropped)}
        assert len(kept) < len(weights)
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    whole = make_text_features("hub", {"model": str(encoder)}).rows(TEXTS)[np.arange(len(TEXTS))]
    without = make_text_features("hub", {"model": str(tmp_path / "no-pooler")}).rows(TEXTS)[np.arange(len(TEXTS))]
    assert torch.equal(whole, without)
    with pytest.raises(ModelError, match="lacks .* would be drawn at random; name a whole text encoder"):
        make_text_features("hub", {"model": str(tmp_path / "no-layer")}).rows(TEXTS)
