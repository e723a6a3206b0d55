"""The models by name, and what is asked of them: the only part of this room that the doors, the API and the pages see.

A picture goes: bytes -> a process that reads it (`decoding`) -> a plate -> the queue (`batching`) -> an engine -> what
it says, calibrated (`served`). Plates of pictures seen a moment ago are kept: an upload is read once for all that
follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunstkammer.errors import KunstkammerError
from kunstkammer.models.memory import one_arena
from kunstkammer.pictures.plate import PlateSettings
from kunstkammer.web.errors import Busy, NoModel, NotThere, Unfit
from kunstkammer.web.inference.batching import Asked, Batcher, Explanation, Prediction
from kunstkammer.web.inference.decoding import Decoded, DecodingPool
from kunstkammer.web.inference.engines import Plates
from kunstkammer.web.inference.heat import heat_png
from kunstkammer.web.inference.pace import Pace
from kunstkammer.web.inference.review import next_to_look_at
from kunstkammer.web.inference.served import MOST_NEIGHBOURS, REPORT_FILE, Judged, Served, broken, open_served
from kunstkammer.web.records import Answer, Facts, ModelCard, Neighbour, Picture
from kunstkammer.web.settings import Settings

KEPT_BYTES = 64 * 2**20
"""Of plates, for pictures that are asked about again."""

HASHED_HERE = 2**19
"""Longer ones are hashed in a thread, so that the other visitors do not wait for it."""

log = logging.getLogger("kunstkammer.web")


@dataclass(frozen=True)
class Read:
    """What reading a picture gave: its facts, and a small copy of it (WebP)."""

    facts: Facts
    thumbnail: bytes


class Desk:
    """See docs/architecture.md, "The web room". Every method belongs to one event loop, but those that are not async:
    `cards`, `card`, `depth`, `examples`, `report` and `next_to_look_at` may be called from any thread.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: dict[str, Served] = {}
        self._changing = threading.Lock()
        self._pool: DecodingPool | None = None
        self._batcher: Batcher | None = None
        self._pictures = Pace(settings.queue)
        self._maps = Pace(max(1, settings.queue // 4), seconds=1.0)
        self._kept = _Kept(KEPT_BYTES)

    async def start(self) -> None:
        """Open the models of the settings. One that cannot be opened keeps its card, which says why."""
        settings = self._settings
        one_arena()
        self._pool = DecodingPool(
            settings.decoders,
            seconds=settings.decode_seconds,
            memory=settings.decode_memory,
            max_pixels=settings.max_pixels,
        )
        self._batcher = Batcher(settings.batch_size)
        await asyncio.to_thread(self._open_all)

    async def stop(self, seconds: float) -> None:
        """Finish what runs, for so long; what is left then is answered with `Busy`."""
        if self._batcher is not None:
            await asyncio.to_thread(self._batcher.close, seconds)
        if self._pool is not None:
            await asyncio.to_thread(self._pool.close)
        for served in self._models.values():
            if served.engine is not None:
                served.engine.close()

    def cards(self) -> tuple[ModelCard, ...]:
        """Return every model that is, or should be, served, in the order of loading."""
        return tuple(served.card for served in list(self._models.values()))

    def card(self, name: str) -> ModelCard:
        """Return one. Raises `NoModel` with the nearest guess."""
        return self._served(name).card

    async def load(self, run: str, name: str | None = None) -> ModelCard:
        """Serve another model; or, under a name that is taken, or of a folder that is served, what is there now.

        What was asked of the old one before is answered by the old one. Raises `ModelError`; then nothing changes.
        """
        return await asyncio.to_thread(self._load, run, name)

    async def unload(self, name: str) -> None:
        """Serve a model no more; what was asked of it is still answered. Raises `NoModel`."""
        self._served(name)
        await asyncio.to_thread(self._unload, name)

    async def read(self, data: bytes, name: str, *, thumbnail: bool = True) -> Read:
        """Read a picture in a process that may die of it; without a thumbnail that is b"". `PictureError`, `Busy`."""
        engines = [served.engine for served in list(self._models.values()) if served.engine is not None]
        wanted = list(dict.fromkeys(engine.plate_settings for engine in engines))
        with self._counted(self._pictures):
            found = await _answer_of(self._decoding().submit(data, name, wanted, thumbnail=thumbnail))
        self._kept.add(wanted, found)
        return Read(found.facts, found.thumbnail)

    async def predict(self, model: str, data: bytes, name: str = "") -> Answer:
        """Ask a model. Raises `NoModel`, `ModelBroken`, `Busy`, `PictureError`."""
        served = self._served(model)
        return served.answer(await self._judged(served, data, name))

    async def neighbours(self, model: str, data: bytes, k: int = 8, name: str = "") -> tuple[Neighbour, ...]:
        """Return the nearest training pictures, at most 50. Raises `Unfit` where the model has none."""
        served = self._served(model)
        served.working()
        served.training_pictures()
        if k < 1:
            raise Unfit(f"{k} neighbours cannot be found; ask for 1 to {MOST_NEIGHBOURS}.")
        return served.near(await self._judged(served, data, name), k)

    async def explain(
        self,
        model: str,
        data: bytes,
        method: str,
        target: str | None = None,
        versus: str | None = None,
        name: str = "",
    ) -> bytes:
        """Return a heat map: a PNG with transparency, of the picture's proportions, to be laid over it.

        target: the label to explain, the most probable one where not given. versus: a label to hold it against.

        Raises `Unfit` for a method or label that the model has not, and where it takes too long; `NoModel`,
        `ModelBroken`, `Busy`, `PictureError`.
        """
        served = self._served(model)
        engine = served.working()
        chosen, against = served.label(target), served.label(versus)
        if chosen is not None and chosen == against:
            raise Unfit(f"'{target}' is held against itself, which says nothing; name two labels.")
        served.method(method)
        with self._counted(self._maps):
            plate, facts = await self._plate(engine.plate_settings, data, name)
            asked = Explanation(engine, plate, method=method, target=chosen, versus=against)
            heat = await self._asked(asked)
            return await asyncio.to_thread(heat_png, heat, (facts.height, facts.width), engine.plate_settings)

    def depth(self) -> int:
        """Return how many pictures wait, or are under way."""
        return self._pictures.waiting + self._maps.waiting

    def examples(self, model: str, label: str, k: int) -> tuple[bytes, ...]:
        """Return up to k small pictures of a label from the training collection, the most typical first.

        () where the model has none. Raises `NoModel`, and `Unfit` for a label that it has not.
        """
        served = self._served(model)
        known = served.neighbours
        if known is None:
            return ()
        served.label(label)
        return tuple(known.thumbnail(place) for place in known.examples(label, k))

    def report(self, model: str) -> bytes:
        """Return the model's report, one HTML file. Raises `NotThere` where there is none."""
        served = self._served(model)
        try:
            return (served.folder / REPORT_FILE).read_bytes()
        except OSError as error:
            raise NotThere(f"{model} has no report.") from error

    def next_to_look_at(self, pictures: Iterable[Picture], limit: int) -> list[tuple[Picture, str]]:
        """Return what a person should look at first, and why; see `review`."""
        return next_to_look_at(pictures, limit)

    async def _judged(self, served: Served, data: bytes, name: str) -> Judged:
        engine = served.working()
        with self._counted(self._pictures):
            plate, _ = await self._plate(engine.plate_settings, data, name)
            asked = Prediction(engine, plate, judge=served.judge, features=served.neighbours is not None)
            judged: Judged = await self._asked(asked)
        return judged

    async def _plate(self, settings: PlateSettings, data: bytes, name: str) -> tuple[Plates, Facts]:
        """Return the plate of a picture; one that was just read is known already."""
        content = await asyncio.to_thread(_sha256, data) if len(data) > HASHED_HERE else _sha256(data)
        known = self._kept.get(content, settings)
        if known is not None:
            return known
        batcher = self._batching()
        batcher.coming(1)
        try:
            found = await _answer_of(self._decoding().submit(data, name, [settings], sha256=content))
        finally:
            batcher.coming(-1)
        self._kept.add([settings], found)
        return found.plates[0], found.facts

    async def _asked(self, asked: Asked) -> Any:
        future = self._batching().add(asked)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            asked.drop()
            raise

    @contextlib.contextmanager
    def _counted(self, pace: Pace) -> Iterator[None]:
        """Count one that waits. Raises `Busy` where no more may."""
        if pace.full():
            raise Busy("Too many pictures are waiting; try again in a moment.", pace.retry_after())
        pace.come()
        answered = False
        try:
            yield
            answered = True
        finally:
            pace.gone(answered)

    def _decoding(self) -> DecodingPool:
        if self._pool is None:
            raise Busy("The server is starting.")
        return self._pool

    def _batching(self) -> Batcher:
        if self._batcher is None:
            raise Busy("The server is starting.")
        return self._batcher

    def _served(self, name: str) -> Served:
        served = self._models.get(name)
        if served is None:
            raise NoModel.named(name, self._models)
        return served

    def _open_all(self) -> None:
        for run in self._settings.runs:
            try:
                self._load(run, None)
            except KunstkammerError as error:
                log.error("%s is not served: %s", run, error)
                with self._changing:
                    name = _unique(Path(run).resolve().name, self._models)
                    self._models = {**self._models, name: broken(run, name, error)}

    def _unload(self, name: str) -> None:
        with self._changing:
            self._models = {known: served for known, served in self._models.items() if known != name}

    def _load(self, run: str, name: str | None) -> ModelCard:
        folder = Path(run).resolve()
        with self._changing:
            again = [known for known, served in self._models.items() if served.folder == folder]
            wanted = name or (again[0] if again else _unique(folder.name, self._models))
            served = open_served(folder, wanted, self._settings.device or None)
            self._models = {**self._models, wanted: served}
            log.info("%s is served, version %s.", wanted, served.card.version)
            return served.card


class _Kept:
    """The plates of pictures seen a moment ago, as many as fit; used from one thread."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._plates: OrderedDict[tuple[str, PlateSettings], tuple[Plates, Facts]] = OrderedDict()

    def get(self, content: str, settings: PlateSettings) -> tuple[Plates, Facts] | None:
        found = self._plates.get((content, settings))
        if found is not None:
            self._plates.move_to_end((content, settings))
        return found

    def add(self, wanted: Sequence[PlateSettings], found: Decoded) -> None:
        for settings, plate in zip(wanted, found.plates, strict=True):
            key = (found.facts.sha256, settings)
            if key not in self._plates:
                self._plates[key] = plate.copy(), found.facts
                self._bytes += plate.nbytes
        while self._bytes > self._most and len(self._plates) > 1:
            _, (plate, _) = self._plates.popitem(last=False)
            self._bytes -= plate.nbytes


async def _answer_of(future: Future[Decoded]) -> Decoded:
    return await asyncio.wrap_future(future)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unique(name: str, taken: Iterable[str]) -> str:
    """Return the name, numbered where it is taken.

    >>> _unique("pages", ["pages", "pages-2"])
    'pages-3'
    """
    known, number, found = set(taken), 2, name
    while found in known:
        found, number = f"{name}-{number}", number + 1
    return found
