"""The web page's desk under many visitors at once, against decoding alone plus the bare forward pass alone."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contest import Found, Options, Target, compare, contest, seconds
from benchmarks.predict import BATCH, decode_all, forward_all
from benchmarks.subjects import RECIPES, pictures
from kunstkammer.errors import PictureError
from kunstkammer.models.run import open_run
from kunstkammer.training.fit import recipe_model, write_checkpoint
from kunstkammer.web.inference.desk import Desk
from kunstkammer.web.settings import Settings

JOB = "desk"
OURS, SUM, FORWARD = "visitors", "decoding + forward", "forward"
TARGET = Target("ratio", "<=", 1 / 0.7)
VISITORS = 64


def measure(options: Options) -> Iterator[Found]:
    """Time all pictures, asked for one at a time by 64 visitors at once."""
    collection = pictures(options)
    for name, recipe in RECIPES.items():
        run = options.scratch / name.split(",")[0].lower()
        run.mkdir(exist_ok=True)
        model, geometry = recipe_model(recipe(), collection.label_names or ("one", "two"), collection.multi_label)
        write_checkpoint(run, model.eval(), geometry)
        checkpoint = open_run(run)
        data = [_bytes(collection.source(i)) for i in range(len(collection))]
        plates = decode_all(collection, checkpoint)
        batches = [checkpoint.prepare(part) for part in plates.split(BATCH)]

        def apart(checkpoint=checkpoint, batches=batches) -> dict[str, float]:  # type: ignore[no-untyped-def]
            decoding = seconds(lambda: decode_all(collection, checkpoint))
            forward = seconds(lambda: forward_all(checkpoint, batches))
            return {SUM: decoding + forward, FORWARD: forward}

        def together(run=run, data=data) -> dict[str, float]:  # type: ignore[no-untyped-def]
            return {OURS: asyncio.run(_answered(run, data))}

        rounds = contest({OURS: together, SUM: apart}, options.rounds(5))
        note = f"forward alone {statistics.median(rounds[FORWARD]):.2f} s"
        yield compare(JOB, name, "s", rounds, ours=OURS, peer=SUM, target=TARGET, note=note)


def _bytes(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


async def _answered(run: Path, data: list[bytes]) -> float:
    """Return the seconds until every picture is answered, by a desk that is warm."""
    desk = Desk(Settings(runs=(str(run),), queue=len(data) + VISITORS))
    await desk.start()
    name = desk.cards()[0].name
    places = asyncio.Semaphore(VISITORS)

    async def ask(one: bytes) -> None:
        async with places:
            with contextlib.suppress(PictureError):
                await desk.predict(name, one)

    try:
        await asyncio.gather(*(ask(one + b" ") for one in data[:VISITORS]))  # other contents: nothing is known then
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.gather(*(ask(one) for one in data))
        return loop.time() - start
    finally:
        await desk.stop(5)
