"""A store and a desk in memory that keep to the contract, for tests of the doors, the API and the pages alone."""

from __future__ import annotations

import asyncio
import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from PIL import Image

from kunstkammer.errors import ModelError
from kunstkammer.pictures.read import picture_format, read_picture
from kunstkammer.web.errors import Busy, ModelBroken, NoModel, NotThere, QuotaFull, StorageFull, Unfit
from kunstkammer.web.records import Answer, Correction, Facts, ModelCard, Neighbour, Picture, ResultPage, Score, Who


@dataclass(frozen=True)
class Token:
    id: str
    name: str
    admin: bool
    at: datetime


class FakeStore:
    """Pictures in a dict; `full`, `broken` and `quota` play trouble."""

    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}
        self.files: dict[str, tuple[bytes, bytes]] = {}
        self.maps: dict[tuple[str, str], bytes] = {}
        self.secrets: dict[str, Token] = {}
        self.full = self.broken = self.closed = False
        self.quota = 10**9

    def close(self) -> None:
        self.closed = True

    def add(self, visitor: str, data: bytes, facts: Facts, *, name: str, thumbnail: bytes) -> Picture:
        if self.full:
            raise StorageFull("The disk is full; free some space.")
        if (
            sum(len(self.files[p.id][0]) for p in self.pictures.values() if p.visitor == visitor) + len(data)
            > self.quota
        ):
            raise QuotaFull("You may keep no more; delete some pictures first.")
        now = datetime.now(UTC)
        picture = Picture(secrets.token_hex(16), visitor, name, facts, now, now + timedelta(days=30))
        self.pictures[picture.id], self.files[picture.id] = picture, (data, thumbnail)
        return picture

    def get(self, visitor: str | None, id: str) -> Picture:
        picture = self.pictures.get(id)
        if picture is None or visitor not in (None, picture.visitor):
            raise NotThere("There is no such picture.")
        return picture

    def list(
        self, visitor, *, model=None, label=None, corrected=None, text=None, after=None, limit=24
    ) -> ResultPage[Picture]:
        found = [p for p in reversed(self.pictures.values()) if visitor in (None, p.visitor)]
        if text:
            found = [p for p in found if text.casefold() in p.name.casefold()]
        if label:
            found = [p for p in found if any(label in a.labels for a in p.answers.values())]
        if corrected is not None:
            found = [p for p in found if bool(p.corrections) == corrected]
        start = min(int(after.partition("-")[0], 16), len(found)) if after else 0
        end = start + limit
        return ResultPage(tuple(found[start:end]), len(found), f"{end:x}-{'0' * 32}" if end < len(found) else None)

    def bytes_of(self, visitor: str | None, id: str, kind: str = "original") -> bytes:
        self.get(visitor, id)
        return self.files[id][kind == "thumbnail"]

    def delete(self, visitor: str | None, id: str) -> None:
        self.get(visitor, id)
        del self.pictures[id], self.files[id]

    def delete_all(self, visitor: str) -> int:
        mine = [p.id for p in self.pictures.values() if p.visitor == visitor]
        for id in mine:
            self.delete(visitor, id)
        return len(mine)

    def put_answer(self, visitor: str | None, id: str, answer: Answer) -> None:
        picture = self.get(visitor, id)
        self.pictures[id] = replace(picture, answers={**picture.answers, answer.model: answer})

    def correct(self, visitor: str | None, id: str, model: str, labels: Sequence[str]) -> Correction:
        picture = self.get(visitor, id)
        said = Correction(model, tuple(labels), datetime.now(UTC))
        self.pictures[id] = replace(picture, corrections={**picture.corrections, model: said})
        return said

    def uncorrect(self, visitor: str | None, id: str, model: str) -> None:
        picture = self.get(visitor, id)
        if model not in picture.corrections:
            raise NotThere("There is no such correction.")
        kept = {name: said for name, said in picture.corrections.items() if name != model}
        self.pictures[id] = replace(picture, corrections=kept)

    def put_map(self, sha256: str, key: str, png: bytes) -> None:
        self.maps[sha256, key] = png

    def get_map(self, sha256: str, key: str) -> bytes | None:
        return self.maps.get((sha256, key))

    def corrections(self, model=None, visitor=None):
        for picture in self.pictures.values():
            for said in picture.corrections.values():
                if model in (None, said.model) and visitor in (None, picture.visitor):
                    yield picture, said

    def expire(self, now: datetime | None = None) -> int:
        return 0

    def sweep(self) -> int:
        return 0

    def make_token(self, name: str, *, admin: bool = False) -> tuple[str, str]:
        secret, id = secrets.token_urlsafe(16), secrets.token_hex(4)
        self.secrets[secret] = Token(id, name, admin, datetime.now(UTC))
        return id, secret

    def token(self, secret: str) -> Who | None:
        found = self.secrets.get(secret)
        return None if found is None else Who("f" * 24 + found.id, admin=found.admin, token=True)

    def tokens(self) -> tuple[Token, ...]:
        return tuple(self.secrets.values())

    def drop_token(self, id: str) -> None:
        for secret, token in list(self.secrets.items()):
            if token.id == id:
                del self.secrets[secret]
                return
        raise NotThere("There is no such token.")

    def healthy(self) -> None:
        if self.broken:
            raise StorageFull("The database does not answer.")


@dataclass(frozen=True)
class Read:
    facts: Facts
    thumbnail: bytes


CARD = ModelCard(
    "comics",
    "v1",
    ("comic", "manga"),
    multi_label=False,
    zero_r={"comic": 0.5, "manga": 0.5},
    explainers=("grad-cam", "gradient"),
    calibrated=True,
    has_neighbours=True,
    has_detector=False,
    has_report=True,
    facts={"architecture": "sketchnet"},
    card="# Comics",
)
BROKEN = ModelCard("old", "", (), False, {}, (), False, False, False, False, broken="config.json is missing")


class FakeDesk:
    """Reads pictures truly, and says "manga" by their brightness; `busy` and `seconds` play load."""

    def __init__(self, cards: Sequence[ModelCard] = (CARD, BROKEN), max_pixels: int = 64_000_000) -> None:
        self.served = {card.name: card for card in cards}
        self.max_pixels = max_pixels
        self.busy, self.seconds, self.explained = False, 0.0, 0
        self.stopped: float | None = None

    async def start(self) -> None:
        pass

    async def stop(self, seconds: float) -> None:
        self.stopped = seconds

    def cards(self) -> tuple[ModelCard, ...]:
        return tuple(self.served.values())

    def card(self, name: str) -> ModelCard:
        if name not in self.served:
            raise NoModel.named(name, self.served)
        return self.served[name]

    def _able(self, name: str) -> ModelCard:
        card = self.card(name)
        if card.broken:
            raise ModelBroken(f"{name}: {card.broken}")
        return card

    async def load(self, run: str, name: str | None = None) -> ModelCard:
        if not run.endswith("good"):
            raise ModelError(f"{run} is no run folder.")
        card = replace(CARD, name=name or "good")
        self.served[card.name] = card
        return card

    async def unload(self, name: str) -> None:
        self.card(name)
        del self.served[name]

    async def read(self, data: bytes, name: str, *, thumbnail: bool = True) -> Read:
        image = read_picture(data, name=name, max_pixels=self.max_pixels)
        small = io.BytesIO()
        small_image = image.copy()
        small_image.thumbnail((64, 64))
        small_image.save(small, "WEBP")
        sha = hashlib.sha256(data).hexdigest()
        return Read(Facts(sha, picture_format(data), image.width, image.height, len(data)), small.getvalue())

    async def predict(self, model: str, data: bytes, name: str = "") -> Answer:
        card = self._able(model)
        if self.busy:
            raise Busy("256 pictures wait already.", retry_after=2.5)
        await asyncio.sleep(self.seconds)
        bright = sum(read_picture(data, grey=True).resize((1, 1)).tobytes()) / 255
        shares = sorted(((bright, "manga"), (1 - bright, "comic")), reverse=True)
        scores = tuple(Score(label, share, 0.5, i == 0) for i, (share, label) in enumerate(shares))
        return Answer(card.name, card.version, scores, True, 1 - abs(2 * bright - 1), 0.5)

    async def explain(self, model, data, method, target=None, versus=None, name="") -> bytes:
        self._able(model)
        await asyncio.sleep(self.seconds)
        self.explained += 1
        png = io.BytesIO()
        Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(png, "PNG")
        return png.getvalue()

    async def neighbours(self, model: str, data: bytes, k: int = 8, name: str = "") -> tuple[Neighbour, ...]:
        card = self._able(model)
        if not card.has_neighbours:
            raise Unfit(f"{model} knows no neighbours.")
        return tuple(Neighbour(f"{i}.png", ("manga",), 1 - i / 10, _jpeg()) for i in range(min(k, 3)))

    def depth(self) -> int:
        return 0

    def examples(self, model: str, label: str, k: int) -> tuple[bytes, ...]:
        self.card(model)
        return (_jpeg(),) * min(k, 4)

    def report(self, model: str) -> bytes:
        if not self.card(model).has_report:
            raise NotThere(f"{model} has no report.")
        return b"<!doctype html><title>Report</title>"

    def next_to_look_at(self, pictures, limit: int) -> list[tuple[Picture, str]]:
        return [(picture, "doubtful") for picture in pictures][:limit]


def _jpeg() -> bytes:
    found = io.BytesIO()
    Image.new("RGB", (8, 8), "gray").save(found, "JPEG")
    return found.getvalue()
