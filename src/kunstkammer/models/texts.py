"""Text features: a name -> what turns the text of a picture into a vector. Registry kind "texts".

Hashed and weighted n-grams need nothing but scikit-learn; a text encoder of the hub understands more. All work on words
and on pieces of words, so that German compounds and Japanese, which has no spaces, are read as well as English.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from kunstkammer.errors import DataError, ModelError, RecipeError, guess
from kunstkammer.files import atomic_file, atomic_folder
from kunstkammer.models.environment import quiet_transformers
from kunstkammer.models.folders import is_folder, refuse_pickles
from kunstkammer.models.weights import require_weights, safetensors_as_os_errors, write_tensors
from kunstkammer.registry import get, register

TENSORS_FILE, ENCODER_FOLDER = "text.safetensors", "text-encoder"
WORDS, CHARACTERS = (1, 2), (3, 5)
"""Lengths of the n-grams: of words, and of characters inside words."""

ONE_WORD = r"(?u)\b\w+\b"
"""Words of one letter count too: "I", "O"."""


class TextRows:
    """The text vectors of N pictures: `rows[indices]` gives float32 (B, D). Sparse ones stay sparse until asked for."""

    def __init__(self, values: sparse.csr_matrix | Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """D."""
        return int(self.values.shape[1])

    def __getitem__(self, indices: Any) -> Tensor:
        if isinstance(self.values, Tensor):
            return self.values[torch.as_tensor(np.asarray(indices))]
        return torch.from_numpy(self.values[np.asarray(indices)].toarray().astype(np.float32, copy=False))


class TextFeatures(Protocol):
    """What every member of the kind "texts" does. Its settings are the keywords of its constructor.

    Attributes:
        width: of its vectors, known before anything is fitted.
    """

    width: int

    def fit(self, texts: Sequence[str]) -> None:
        """Learn what there is to learn from the texts of the TRAINING part."""
        ...

    def rows(self, texts: Sequence[str]) -> TextRows:
        """Return a vector for each text; one of zeros for a text of blanks alone."""
        ...

    def save(self, folder: Path) -> dict[str, Any]:
        """Write what is large into `folder`; return what belongs into its JSON."""
        ...

    def load(self, folder: Path, kept: Mapping[str, Any]) -> None:
        """Take back what `save` gave."""
        ...


def _check_size(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or not 16 <= size <= 1 << 20 or size % 2:
        raise RecipeError(f"text.options.size is {size!r}; give an even number from 16 to {1 << 20}.")
    return size


def _stacked(halves: Sequence[Any]) -> TextRows:
    """Lay two halves with rows of length 1 (or 0) side by side as rows of length 1."""
    return TextRows((sparse.hstack(halves, format="csr") * np.sqrt(0.5)).astype(np.float32))


@register("texts", "hashed", "hashed n-grams of words (1-2) and characters (3-5): learns nothing, needs nothing")
class HashedText:
    """Hashed n-grams (Weinberger et al. 2009): half of the vector for words, half for characters inside words.

    size: width of the vector, even. Two n-grams that fall into one place share it, with signs that cancel on average.

    >>> rows = HashedText(size=64).rows(["Hilfe!", "助けて!", " "])
    >>> [round(float(row.norm()), 3) for row in rows[[0, 1, 2]]]
    [1.0, 1.0, 0.0]
    """

    def __init__(self, size: int = 4096) -> None:
        self.width = _check_size(size)

    def fit(self, texts: Sequence[str]) -> None:
        """Nothing is learnt."""

    def rows(self, texts: Sequence[str]) -> TextRows:
        """Return CSR rows (N, size) of length 1, or 0 for a text without n-grams."""
        from sklearn.feature_extraction.text import HashingVectorizer

        half = self.width // 2
        words = HashingVectorizer(n_features=half, ngram_range=WORDS, token_pattern=ONE_WORD)
        characters = HashingVectorizer(n_features=half, ngram_range=CHARACTERS, analyzer="char_wb")
        return _stacked([words.transform(texts), characters.transform(texts)])

    def save(self, folder: Path) -> dict[str, Any]:
        """Nothing beside the size is kept."""
        return {}

    def load(self, folder: Path, kept: Mapping[str, Any]) -> None:
        """Nothing is to be taken back."""


@register("texts", "tfidf", "n-grams of words (1-2) and characters (3-5) of the training part, weighted by rarity")
class TfidfText:
    """TF-IDF of the most frequent n-grams (Salton & Buckley 1988): (1 + ln tf) (1 + ln((1 + n) / (1 + df))), length 1.

    The vocabulary is that of the training part alone. Half of the vector is for words, half for characters inside
    words; places that a small vocabulary leaves over stay 0, so that the width is known beforehand.

    size: width of the vector, even.
    """

    def __init__(self, size: int = 4096) -> None:
        self.width = _check_size(size)
        self.vocabulary: dict[str, list[str]] = {}
        self.idf: dict[str, np.ndarray] = {}

    def _vectorizer(self, kind: str, **settings: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        how = (
            {"ngram_range": WORDS, "token_pattern": ONE_WORD}
            if kind == "words"
            else {"ngram_range": CHARACTERS, "analyzer": "char_wb"}
        )
        return TfidfVectorizer(sublinear_tf=True, **how, **settings)

    def fit(self, texts: Sequence[str]) -> None:
        """Learn vocabulary and weights. Raises `DataError` where the texts hold no word at all."""
        for kind in ("words", "characters"):
            vectorizer = self._vectorizer(kind, max_features=self.width // 2)
            try:
                vectorizer.fit(texts)
            except ValueError:  # an empty vocabulary
                self.vocabulary[kind], self.idf[kind] = [], np.zeros(0)
                continue
            self.vocabulary[kind] = vectorizer.get_feature_names_out().tolist()
            self.idf[kind] = vectorizer.idf_
        if not any(self.vocabulary.values()):
            raise DataError("The texts of the training part hold no word; check data.text_column.")

    def rows(self, texts: Sequence[str]) -> TextRows:
        """Return CSR rows (N, size) of length at most 1, 0 for a text none of whose n-grams is known."""
        if not self.vocabulary:
            raise ModelError("These text features have not been fitted; call fit with the texts of the training part.")
        halves = []
        for kind in ("words", "characters"):
            found = sparse.csr_matrix((len(texts), 0))
            if self.vocabulary[kind]:
                vectorizer = self._vectorizer(kind, vocabulary=self.vocabulary[kind])
                vectorizer.idf_ = self.idf[kind]
                found = vectorizer.transform(texts).tocsr()
            found.resize((len(texts), self.width // 2))
            halves.append(found)
        return _stacked(halves)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the weights as safetensors; return the vocabulary."""
        with atomic_file(folder / TENSORS_FILE) as partial:
            write_tensors({kind: torch.from_numpy(idf) for kind, idf in self.idf.items()}, partial)
        return {"vocabulary": self.vocabulary}

    def load(self, folder: Path, kept: Mapping[str, Any]) -> None:
        """Take vocabulary and weights back; raises `ModelError` where they do not fit together."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            self.vocabulary = {kind: list(kept["vocabulary"][kind]) for kind in ("words", "characters")}
            self.idf = {kind: load_file(folder / TENSORS_FILE)[kind] for kind in self.vocabulary}
        except (OSError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(
                f"The text features of {folder} are damaged ({error}); copy the checkpoint again."
            ) from error
        if any(len(self.idf[kind]) != len(words) for kind, words in self.vocabulary.items()):
            raise ModelError(f"{folder / TENSORS_FILE} does not fit text.json beside it; copy the checkpoint again.")


@register("texts", "hub", "the mean of a text encoder's tokens; a checkpoint folder or hub id, frozen; option: model")
class HubText:
    """A frozen text encoder of `transformers`: the mean of its last layer over the tokens (Reimers & Gurevych 2019).

    The encoder is copied into the checkpoint, which so stays whole.

    model: a folder or a hub id with config, tokenizer and safetensors. max_length: tokens of a text that are read.
    batch_size: texts at a time.
    """

    def __init__(self, model: str | None = None, max_length: int = 128, batch_size: int = 32) -> None:
        from transformers import AutoConfig

        if not model:
            raise RecipeError("text.options.model is missing: name the folder or the hub id of a text encoder.")
        self.max_length, self.batch_size = int(max_length), int(batch_size)
        self.name = str(model)
        self._parts: tuple[Any, Any] | None = None
        if is_folder(self.name):  # a path that is not there must not be taken for a hub id
            refuse_pickles(Path(self.name))
        with _opening(self.name):
            config = AutoConfig.from_pretrained(self.name)
        self.width = int(getattr(config, "hidden_size", 0) or getattr(config, "d_model", 0))
        if not self.width:
            raise ModelError(f"The config of {self.name} names no hidden_size, so it is no text encoder that is known.")

    def _encoder(self) -> tuple[Any, Any]:
        """Return the tokenizer and the encoder, opened once."""
        if self._parts is None:
            from transformers import AutoModel, AutoTokenizer

            with _opening(self.name), quiet_transformers():
                tokenizer = AutoTokenizer.from_pretrained(self.name)
                encoder, told = AutoModel.from_pretrained(self.name, use_safetensors=True, output_loading_info=True)
            # Checkpoints of masked language models have no pooler; the mean over the tokens does not use it.
            missing = [key for key in told["missing_keys"] if not key.startswith("pooler.")]
            require_weights(self.name, type(encoder).__name__, missing, "name a whole text encoder")
            self._parts = tokenizer, encoder.eval().requires_grad_(False)
        return self._parts

    def fit(self, texts: Sequence[str]) -> None:
        """Nothing is learnt."""

    @torch.inference_mode()
    def rows(self, texts: Sequence[str]) -> TextRows:
        """Return dense rows (N, hidden size), 0 for a text of blanks alone."""
        tokenizer, encoder = self._encoder()
        values = torch.zeros(len(texts), self.width)
        told = [i for i, text in enumerate(texts) if text.strip()]
        for start in range(0, len(told), self.batch_size):
            part = told[start : start + self.batch_size]
            tokens = tokenizer(
                [texts[i] for i in part], padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
            )
            hidden = encoder(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"][:, :, None].to(hidden.dtype)
            values[part] = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return TextRows(values.clone())

    def save(self, folder: Path) -> dict[str, Any]:
        """Copy tokenizer and encoder into the checkpoint."""
        tokenizer, encoder = self._encoder()
        with atomic_folder(folder / ENCODER_FOLDER) as partial, safetensors_as_os_errors(), quiet_transformers():
            tokenizer.save_pretrained(partial)
            encoder.save_pretrained(partial)
        return {}

    def load(self, folder: Path, kept: Mapping[str, Any]) -> None:
        """Nothing more than the folder is needed."""


class _opening:  # noqa: N801 - a context manager, used like a function
    """Turn what `transformers` raises for a text encoder that is not there into a `ModelError`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, OSError | ValueError | KeyError):
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"Cannot open the text encoder {self.name}: {reason}") from error


def make_text_features(name: str, options: Mapping[str, Any]) -> TextFeatures:
    """Return the text features of a name. Raises `UnknownNameError`, `RecipeError` for an option that it has not."""
    kind = get("texts", name)
    known = list(inspect.signature(kind).parameters)
    for key in options:
        if key not in known:
            raise RecipeError(
                f"text.options: {name} has no option '{key}'.{guess(key, known)} Known: {', '.join(known)}."
            )
    return kind(**options)
