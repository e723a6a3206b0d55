"""What the store keeps, shows, corrects and lets go, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kunstkammer.errors import DataError, ResourceError
from kunstkammer.web.errors import NotThere, QuotaFull
from tests.web.store.conftest import answer, facts_of, files_in, put


def test_a_picture_comes_back_as_it_came(store) -> None:
    before = datetime.now(UTC)
    picture = put(store, "ada", b"one", "coin.png")
    assert picture.name == "coin.png"
    assert before <= picture.at <= datetime.now(UTC)
    assert picture.expires == picture.at + timedelta(days=30)
    assert store.get("ada", picture.id) == picture
    assert store.get(None, picture.id) == picture
    assert store.bytes_of("ada", picture.id) == b"one"
    assert store.bytes_of("ada", picture.id, "thumbnail") == b"small one"
    store.healthy()


def test_facts_of_another_picture_are_refused(store) -> None:
    with pytest.raises(ValueError, match="another picture"):
        store.add("ada", b"one", facts_of(b"two"), name="a.png", thumbnail=b"")
    assert store.list(None).total == 0


@pytest.mark.parametrize("id", ["0" * 32, "", "../../x", "a\0b", "\ud800", "x" * 5000])
def test_what_is_not_there_is_said_so(store, id) -> None:
    put(store, "ada", b"one")
    for ask in (
        lambda: store.get("ada", id),
        lambda: store.bytes_of("ada", id),
        lambda: store.delete("ada", id),
        lambda: store.put_answer("ada", id, answer("m", a=1.0)),
        lambda: store.correct("ada", id, "m", ["a"]),
        lambda: store.uncorrect("ada", id, "m"),
    ):
        with pytest.raises(NotThere):
            ask()


def test_nobody_sees_or_touches_what_is_anothers(store) -> None:
    picture = put(store, "ada", b"one")
    store.correct("ada", picture.id, "m", ["a"])
    for ask in (
        lambda: store.get("bob", picture.id),
        lambda: store.bytes_of("bob", picture.id, "thumbnail"),
        lambda: store.delete("bob", picture.id),
        lambda: store.put_answer("bob", picture.id, answer("m", a=1.0)),
        lambda: store.correct("bob", picture.id, "m", ["b"]),
        lambda: store.uncorrect("bob", picture.id, "m"),
    ):
        with pytest.raises(NotThere):
            ask()
    assert store.list("bob").items == ()
    assert list(store.corrections(visitor="bob")) == []
    assert store.get("ada", picture.id).corrections["m"].labels == ("a",)
    store.delete(None, picture.id)
    assert store.list(None).total == 0


def test_one_content_is_one_file_and_goes_with_its_last_picture(store, settings) -> None:
    first, second = put(store, "ada", b"same"), put(store, "bob", b"same", "other.png")
    sha256 = first.facts.sha256
    store.put_map(sha256, "grad-cam", b"map")
    pictures = settings.folder / "pictures"
    assert len(files_in(pictures)) == 3  # original, thumbnail, map
    store.delete("ada", first.id)
    assert len(files_in(pictures)) == 3
    assert store.bytes_of("bob", second.id) == b"same"
    assert store.get_map(sha256, "grad-cam") == b"map"
    store.delete("bob", second.id)
    assert files_in(pictures) == set()
    assert store.get_map(sha256, "grad-cam") is None
    put(store, "ada", b"same")
    assert store.get_map(sha256, "grad-cam") is None


def test_maps_are_replaced_and_not_kept_for_nobody(store, settings) -> None:
    picture = put(store, "ada", b"one")
    sha256 = picture.facts.sha256
    store.put_map(sha256, "k", b"old")
    store.put_map(sha256, "k", b"new")
    store.put_map(facts_of(b"unknown").sha256, "k", b"lost")
    assert store.get_map(sha256, "k") == b"new"
    assert store.get_map(sha256, "other") is None
    assert len(files_in(settings.folder / "pictures")) == 3
    with pytest.raises(ValueError, match="no SHA-256"):
        store.put_map("../../x", "k", b"")


def test_answers_and_corrections_by_model(store) -> None:
    picture = put(store, "ada", b"one")
    store.put_answer("ada", picture.id, answer("m", comic=0.7, manga=0.3))
    store.put_answer("ada", picture.id, answer("n", comic=0.2, manga=0.8))
    store.put_answer("ada", picture.id, replace(answer("m", comic=0.6, manga=0.4), version="v2", novelty=None))
    seen = store.get("ada", picture.id)
    assert seen.answers == {
        "m": replace(answer("m", comic=0.6, manga=0.4), version="v2", novelty=None),
        "n": answer("n", comic=0.2, manga=0.8),
    }
    correction = store.correct("ada", picture.id, "m", ["manga", "manga"])
    assert correction.labels == ("manga",)
    assert store.get("ada", picture.id).corrections == {"m": correction}
    assert [(p.id, c) for p, c in store.corrections("m")] == [(picture.id, correction)]
    assert list(store.corrections("n")) == []
    store.uncorrect("ada", picture.id, "m")
    assert store.get("ada", picture.id).corrections == {}
    with pytest.raises(NotThere):
        store.uncorrect("ada", picture.id, "m")


@pytest.mark.parametrize("label", ["", " ", "a\nb", "a\0b", "x" * 201, " a", "\ud800"])
def test_what_cannot_be_a_label_is_refused(store, label) -> None:
    picture = put(store, "ada", b"one")
    with pytest.raises(DataError, match="label"):
        store.correct("ada", picture.id, "m", ["fine", label])
    assert store.get("ada", picture.id).corrections == {}


def test_many_labels_or_none(store) -> None:
    picture = put(store, "ada", b"one")
    assert store.correct("ada", picture.id, "m", ["sad", "angry"]).labels == ("angry", "sad")
    assert store.list("ada", label="sad").total == 1
    assert store.correct("ada", picture.id, "m", []).labels == ()
    assert store.list("ada", label="sad").total == 0
    assert store.list("ada", corrected=True).total == 1


def test_the_gallery_filters(store) -> None:
    a, b, c = (put(store, "ada", bytes([i]), name) for i, name in enumerate(["Münze.png", "50%_off.png", "c.png"]))
    put(store, "bob", b"x")
    store.put_answer("ada", a.id, answer("m", comic=0.9, manga=0.1))
    store.put_answer("ada", b.id, answer("m", comic=0.1, manga=0.9))
    store.put_answer("ada", b.id, answer("n", comic=0.9, manga=0.1))

    def found(**wish) -> set[str]:
        leaf = store.list("ada", **wish)
        assert leaf.total == len(leaf.items)
        return {picture.id for picture in leaf.items}

    assert found() == {a.id, b.id, c.id}
    assert found(model="m") == {a.id, b.id}
    assert found(label="comic") == {a.id, b.id}
    assert found(label="comic", model="m") == {a.id}
    assert found(text="MÜNZE") == {a.id}
    assert found(text="%") == {b.id}
    assert found(text="_") == {b.id}
    assert found(corrected=True) == set()
    store.correct("ada", a.id, "m", ["manga"])
    assert found(label="comic", model="m") == set()
    assert found(label="manga", model="m") == {a.id, b.id}
    assert found(corrected=True) == {a.id}
    assert found(corrected=False) == {b.id, c.id}
    assert found(corrected=False, model="m") == {b.id}
    store.put_answer("ada", a.id, answer("m", comic=0.9, manga=0.1))  # asked again: the person's word still holds
    assert found(label="manga", model="m") == {a.id, b.id}
    store.uncorrect("ada", a.id, "m")
    assert found(label="comic", model="m") == {a.id}
    assert found(text="a\0") == found(label="\ud800") == set()


def test_pages_go_on_where_the_last_ended(store) -> None:
    ids = [put(store, "ada", bytes([i])).id for i in range(7)]
    seen, after = [], None
    while True:
        leaf = store.list("ada", after=after, limit=3)
        seen += [picture.id for picture in leaf.items]
        assert leaf.total == 7 - (after is not None)
        if after is None:
            store.delete("ada", leaf.items[-1].id)  # the page goes on although its mark is gone
        after = leaf.next
        if after is None:
            break
    assert seen == ids[::-1]
    for wrong in ("", "x", ids[0], "0-" + "g" * 32, "f" * 40):
        with pytest.raises(DataError, match="page"):
            store.list("ada", after=wrong)


def test_the_quota_is_a_visitors_own(open_store, settings) -> None:
    store = open_store(visitor_bytes=10)
    first = put(store, "ada", b"12345678")
    with pytest.raises(QuotaFull):
        put(store, "ada", b"abc")
    put(store, "bob", b"abc")
    assert store.list("ada").total == 1
    assert len(files_in(settings.folder / "pictures")) == 4
    store.delete("ada", first.id)
    put(store, "ada", b"1234567890")
    with pytest.raises(QuotaFull):
        put(store, "ada", b"1")
    assert store.delete_all("ada") == 1
    assert store.delete_all("ada") == 0
    put(store, "ada", b"1234567890")


def test_what_is_past_its_time_is_neither_shown_nor_kept(open_store, settings) -> None:
    store = open_store(expire_days=1.0)
    for visitor in ("ada", "bob"):
        put(store, visitor, b"both")
    forever = put(open_store(expire_days=0.0), "ada", b"stays")
    assert forever.expires is None
    assert store.expire() == 0
    assert store.expire(datetime.now(UTC) + timedelta(days=1, seconds=1)) == 2
    assert [picture.id for picture in store.list(None).items] == [forever.id]
    assert len(files_in(settings.folder / "pictures")) == 2
    gone = put(open_store(expire_days=1e-8), "ada", b"brief")
    with pytest.raises(NotThere):
        store.get("ada", gone.id)
    assert store.list("ada").total == 1
    assert store.expire() == 1


def test_everything_goes_for_one_visitor_only(store, settings, monkeypatch) -> None:
    monkeypatch.setattr("kunstkammer.web.store.deleting.BATCH", 5)
    for i in range(12):
        put(store, "ada", b"%d" % i)
    put(store, "bob", b"7")
    assert store.delete_all("ada") == 12
    assert store.list("ada").total == 0
    assert store.bytes_of("bob", store.list("bob").items[0].id) == b"7"
    assert len(files_in(settings.folder / "pictures")) == 2


def test_corrections_come_in_pages(store, monkeypatch) -> None:
    monkeypatch.setattr("kunstkammer.web.store.store.PAGE", 5)
    ids = [put(store, "ada", b"%d" % i).id for i in range(13)]
    for id in ids:
        store.correct("ada", id, "m", ["a"])
    assert [picture.id for picture, _ in store.corrections()] == ids


def test_a_file_lost_behind_our_back(store, settings) -> None:
    picture = put(store, "ada", b"one")
    (file,) = (settings.folder / "pictures").rglob("*.original")
    file.unlink()
    with pytest.raises(ResourceError, match="missing"):
        store.bytes_of("ada", picture.id)
    put(store, "bob", b"one")  # who brings it again heals it
    assert store.bytes_of("ada", picture.id) == b"one"


def test_what_was_kept_is_there_after_opening_again(open_store) -> None:
    store = open_store()
    picture = put(store, "ada", b"one")
    store.put_answer("ada", picture.id, answer("m", a=1.0))
    seen = store.get("ada", picture.id)
    store.close()
    assert open_store().get("ada", picture.id) == seen


def test_names_are_cleaned(store) -> None:
    assert put(store, "ada", b"1", "../../etc/pass\0wd\r\n.png").name == "passwd.png"
