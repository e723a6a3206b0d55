"""What all tests share: a cache of their own, no network, and small collections that can be learnt."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# A busy machine may take its time over one example; what a test may take in all is pytest's to say.
settings.register_profile("kunstkammer", deadline=None)
settings.load_profile("kunstkammer")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real material beside the checkout; tests that need it are skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("real pictures are not here: there is no ../shared/data beside the checkout")
    return SHARED


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """Keep plates and fingerprints of tests out of the user's cache; tests of one module share them."""
    monkeypatch.setenv("KUNSTKAMMER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def write_collection(folder: Path, *, labels=("dark", "light"), each=12, size=48, seed=0) -> Path:
    """Write class folders of noise whose mean depends on the class."""
    random = np.random.default_rng(seed)
    for k, label in enumerate(labels):
        (folder / label).mkdir(parents=True)
        mean = 60 + 130 * k / max(len(labels) - 1, 1)
        for i in range(each):
            pixels = np.clip(random.normal(mean, 40, (size, size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i:03}.png")
    return folder


@pytest.fixture
def collection_folder(tmp_path) -> Path:
    """Two classes of noise, dark and light, 12 pictures each."""
    return write_collection(tmp_path / "noise")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    """A text encoder of the hub's form: a BERT of one layer with random weights and a vocabulary of letters."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = [*"abcdefghijklmnopqrstuvwxyz!", *[f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    settings = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=5 + len(letters), **settings)).save_pretrained(folder)
    return folder
