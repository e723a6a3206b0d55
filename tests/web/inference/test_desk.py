"""The desk: what it says is what the model says; many at once; broken, unknown, busy and stopped are said plainly."""

from __future__ import annotations

import asyncio
import logging
import shutil
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import kunstkammer as kk
from kunstkammer.errors import ModelError, PictureError
from kunstkammer.web.errors import Busy, ModelBroken, NoModel, NotThere, Unfit
from kunstkammer.web.inference.desk import Desk
from kunstkammer.web.settings import Settings


def with_desk(runs, work, **settings):
    """Start a desk, let `work(desk)` go on with it, and stop it."""

    async def whole():
        desk = Desk(Settings(runs=tuple(map(str, runs)), **settings))
        await desk.start()
        try:
            return await work(desk)
        finally:
            await desk.stop(5)

    return asyncio.run(whole())


@pytest.fixture(scope="module")
def files(pages):
    return sorted((pages / "test").rglob("*.jpg"))[:32]


def test_it_says_what_predict_says(trained, files):
    expected = kk.predict(trained, files).predictions

    async def work(desk):
        answers = await asyncio.gather(*(desk.predict("comic-manga", file.read_bytes(), file.name) for file in files))
        return desk.card("comic-manga"), answers

    card, answers = with_desk([trained], work)
    assert (card.name, card.labels, card.multi_label, card.has_report) == (
        "comic-manga",
        ("comic", "manga"),
        False,
        True,
    )
    assert card.calibrated
    assert sum(card.zero_r.values()) == pytest.approx(1)
    assert card.facts["metrics"]["accuracy"]["low"] <= card.facts["metrics"]["accuracy"]["value"]
    for row, answer in zip(expected.probabilities, answers, strict=True):
        said = {score.label: score for score in answer.scores}
        assert answer.labels == (card.labels[int(row.argmax())],)
        assert answer.scores[0].probability >= answer.scores[1].probability
        np.testing.assert_allclose([said[label].probability for label in card.labels], row, atol=1e-5)
        assert said["comic"].zero_r == card.zero_r["comic"]
        assert 0 <= answer.doubt <= 1
        assert (answer.model, answer.version) == ("comic-manga", card.version)


def test_many_labels_each_for_itself(trained_of_many, files):
    async def work(desk):
        return desk.cards()[0], [await desk.predict("many-labels", file.read_bytes()) for file in files[:6]]

    card, answers = with_desk([trained_of_many], work)
    assert card.multi_label
    assert {"comic", "manga", "portrait"} < set(card.labels)
    assert any(len(answer.labels) > 1 for answer in answers)
    assert all(len(answer.scores) == len(card.labels) for answer in answers)


def test_an_upload_is_read_once_for_all_that_follows(trained, page):
    async def work(desk):
        read = await desk.read(page, "page.jpg")
        answer = await desk.predict("comic-manga", page)
        return read, answer, desk._kept._plates

    read, answer, kept = with_desk([trained], work, max_pixels=10**6)
    assert read.facts.format == "JPEG"
    assert Image.open(BytesIO(read.thumbnail)).format == "WEBP"
    assert answer.scores
    assert [content for content, _ in kept] == [read.facts.sha256]


def test_a_bad_picture_costs_nobody_else_anything(trained, page):
    async def work(desk):
        asked = [desk.predict("comic-manga", page if i % 2 else page[:500], f"{i}.jpg") for i in range(10)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = with_desk([trained], work)
    assert all(isinstance(one, PictureError) == (i % 2 == 0) for i, one in enumerate(found))
    assert "0.jpg: truncated" in str(found[0])


def test_heat_maps_have_the_pictures_proportions_and_transparency(trained, files):
    wide = Image.open(files[0]).resize((1200, 300))
    file = BytesIO()
    wide.save(file, "PNG")

    async def work(desk):
        return [
            await desk.explain("comic-manga", file.getvalue(), *asked)
            for asked in [("grad-cam",), ("gradient", "manga"), ("gradient", "comic"), ("occlusion", "comic", "manga")]
        ]

    maps = [Image.open(BytesIO(png)) for png in with_desk([trained], work)]
    assert all(image.format == "PNG" and image.size == (768, 192) for image in maps)
    layers = [np.asarray(image.convert("RGBA")) for image in maps]
    assert all(layer[..., 3].min() < 40 and layer[..., 3].max() > 200 for layer in layers)
    assert not np.array_equal(layers[1], layers[2])


def test_what_a_model_has_not_is_named_with_a_guess(trained, page):
    async def refused(coroutine, kind, match):
        with pytest.raises(kind, match=match):
            await coroutine

    async def work(desk):
        await refused(desk.predict("comic-mange", page), NoModel, "Did you mean 'comic-manga'")
        await refused(desk.explain("comic-manga", page, "grad-kam"), Unfit, "Did you mean 'grad-cam'")
        await refused(desk.explain("comic-manga", page, "pattern-net"), Unfit, "cannot be explained by 'pattern-net'")
        await refused(desk.explain("comic-manga", page, "gradient", "mango"), Unfit, "Did you mean 'manga'")
        await refused(desk.explain("comic-manga", page, "gradient", "comic", "comic"), Unfit, "against itself")
        await refused(desk.neighbours("comic-manga", page), Unfit, "fit-neighbours")
        await refused(desk.load("/no/such/run"), ModelError, "no run folder")
        assert desk.examples("comic-manga", "comic", 3) == ()
        assert desk.report("comic-manga").startswith(b"<!doctype html>")
        assert desk.depth() == 0

    with_desk([trained], work)


def test_a_broken_one_keeps_its_card_and_the_others_serve(trained, broken_run, page, caplog):
    async def work(desk):
        broken, card = desk.cards()
        with pytest.raises(ModelBroken, match="broken cannot answer"):
            await desk.predict("broken", page)
        shutil.rmtree(broken_run)
        with pytest.raises(NotThere):
            desk.report("broken")
        return broken, card, await desk.predict(card.name, page)

    with caplog.at_level(logging.CRITICAL):
        broken, card, answer = with_desk([broken_run, trained], work)
    assert broken.broken
    assert str(broken_run) not in broken.broken
    assert (card.broken, answer.model) == (None, "comic-manga")


def test_models_come_and_go_without_stopping(trained, run, trained_of_many, page):
    async def work(desk):
        card = await desk.load(str(run))
        assert [one.name for one in desk.cards()] == ["comic-manga", "comic-manga-2"]
        assert card.version == desk.card("comic-manga").version
        asked = [asyncio.create_task(desk.predict("comic-manga", page)) for _ in range(20)]
        await asyncio.sleep(0)
        new = await desk.load(str(trained_of_many), "comic-manga")
        answers = await asyncio.gather(*asked)
        assert {answer.version for answer in answers} <= {card.version, new.version}
        assert (await desk.predict("comic-manga", page)).version == new.version
        (run / "config.json").write_text("{}")
        with pytest.raises(ModelError):
            await desk.load(str(run))
        assert (await desk.predict("comic-manga-2", page)).version == card.version
        await desk.unload("comic-manga-2")
        with pytest.raises(NoModel):
            await desk.unload("comic-manga-2")

    with_desk([trained], work)


def test_past_the_queue_it_says_when_to_come_again(trained, files):
    async def work(desk):
        asked = [desk.predict("comic-manga", file.read_bytes()) for file in files]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert desk.depth() == 0
        return found, await desk.predict("comic-manga", files[0].read_bytes())

    found, after = with_desk([trained], work, queue=4)
    busy = [one for one in found if isinstance(one, Busy)]
    assert len(found) - len(busy) == 4
    assert all(1 <= one.retry_after <= 60 for one in busy)
    assert after.scores


def test_what_is_cancelled_counts_no_more(trained, files):
    async def work(desk):
        tasks = [asyncio.create_task(desk.predict("comic-manga", file.read_bytes())) for file in files]
        slow = asyncio.create_task(desk.explain("comic-manga", files[0].read_bytes(), "prediction-difference"))
        await asyncio.sleep(0)
        for task in [*tasks[1:], slow]:
            task.cancel()
        first = await tasks[0]
        await asyncio.gather(*tasks, slow, return_exceptions=True)
        return first, desk.depth()

    first, depth = with_desk([trained], work)
    assert first.scores
    assert depth == 0


def test_stopping_finishes_what_waits(trained, files):
    async def work(desk):
        tasks = [asyncio.create_task(desk.predict("comic-manga", file.read_bytes())) for file in files[:8]]
        while desk.depth() < 8:
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)
        await desk.stop(10)
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = with_desk([trained], work)
    assert all(isinstance(one, Busy) or one.scores for one in found)
    assert any(not isinstance(one, Busy) for one in found)


def test_the_nearest_training_pictures_and_how_far_it_is(run, pages, files):
    kk.fit_neighbours(run, pages)
    own = sorted((pages / "train" / "comic").glob("*.jpg"))[3]

    async def work(desk):
        near = await desk.neighbours("comic-manga", own.read_bytes(), 5)
        asked = [own.read_bytes(), *(file.read_bytes() for file in files)]
        answers = await asyncio.gather(*(desk.predict("comic-manga", data) for data in asked))
        return desk.cards()[0], near, answers, desk.examples("comic-manga", "manga", 3)

    card, near, answers, examples = with_desk([run], work)
    assert card.has_neighbours
    assert near[0].file == f"train/comic/{own.name}"
    assert near[0].labels == ("comic",)
    assert near[0].likeness == pytest.approx(1, abs=0.01)
    assert len(near) == 5
    assert all(a.likeness >= b.likeness for a, b in pairwise(near))
    assert answers[0].novelty < 0.2
    assert 0.3 < np.mean([answer.novelty for answer in answers[1:]]) <= 1
    assert [Image.open(BytesIO(one)).format for one in (near[0].thumbnail, *examples)] == ["WEBP"] * 4
