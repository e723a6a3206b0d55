"""The store against a model of it that a few dictionaries are, over random walks of all its methods."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from kunstkammer.web.errors import NotThere, QuotaFull
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.store.conftest import answer, drop_database, facts_of, new_database, put
from tests.web.store.test_kill import sweep_as_if_later

VISITORS = st.sampled_from(["ada", "bob"])
CONTENTS = st.sampled_from([b"1", b"22", b"333", b"4444"])
LABELS = st.sampled_from(["comic", "manga"])
QUOTA = 12


class Walk(RuleBasedStateMachine):
    """Two visitors, four contents, one model."""

    server: str | None = None
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = url = new_database(self.server) if self.server else f"sqlite:///{self.folder.name}/test.db"
        place = f"memory://{secrets.token_hex(6)}"
        self.store = Store.open(
            Settings(folder=Path(self.folder.name), database=url, pictures=place, visitor_bytes=QUOTA)
        )
        self.kept: dict[str, tuple[str, bytes]] = {}
        self.said: dict[str, str] = {}
        self.corrected: dict[str, str] = {}
        self.maps: dict[bytes, bytes] = {}

    def teardown(self) -> None:
        self.store.close()
        if self.server:
            drop_database(self.url)
        self.folder.cleanup()

    def used(self, visitor: str) -> int:
        return sum(len(data) for owner, data in self.kept.values() if owner == visitor)

    def forget(self, id: str) -> None:
        _, data = self.kept.pop(id)
        self.said.pop(id, None)
        self.corrected.pop(id, None)
        if data not in {other for _, other in self.kept.values()}:
            self.maps.pop(data, None)

    @rule(target=ids, visitor=VISITORS, data=CONTENTS)
    def add(self, visitor, data):
        if self.used(visitor) + len(data) > QUOTA:
            with pytest.raises(QuotaFull):
                put(self.store, visitor, data)
            return "0" * 32
        id = put(self.store, visitor, data).id
        self.kept[id] = (visitor, data)
        return id

    @rule(id=consumes(ids), visitor=VISITORS)
    def delete(self, id, visitor):
        if self.kept.get(id, ("", b""))[0] == visitor:
            self.store.delete(visitor, id)
            self.forget(id)
            return
        with pytest.raises(NotThere):
            self.store.delete(visitor, id)

    @rule(visitor=VISITORS)
    def delete_all(self, visitor):
        mine = [id for id, (owner, _) in self.kept.items() if owner == visitor]
        assert self.store.delete_all(visitor) == len(mine)
        for id in mine:
            self.forget(id)

    @rule(id=ids, label=LABELS)
    def answer(self, id, label):
        said = answer("m", **{label: 0.9, "other": 0.1})
        if id in self.kept:
            self.store.put_answer(self.kept[id][0], id, said)
            self.said[id] = label
        else:
            with pytest.raises(NotThere):
                self.store.put_answer(None, id, said)

    @rule(id=ids, label=LABELS)
    def correct(self, id, label):
        if id in self.kept:
            self.store.correct(self.kept[id][0], id, "m", [label])
            self.corrected[id] = label

    @rule(id=ids)
    def uncorrect(self, id):
        if id in self.corrected:
            self.store.uncorrect(None, id, "m")
            del self.corrected[id]
        else:
            with pytest.raises(NotThere):
                self.store.uncorrect(None, id, "m")

    @rule(data=CONTENTS, png=CONTENTS)
    def put_map(self, data, png):
        self.store.put_map(facts_of(data).sha256, "k", png)
        if data in {kept for _, kept in self.kept.values()}:
            self.maps[data] = png

    @rule()
    def sweep(self):
        assert sweep_as_if_later(self.store) == 0

    @rule()
    def expire(self):
        assert self.store.expire() == 0

    @invariant()
    def it_holds_what_it_should(self):
        everything = self.store.list(None, limit=500).items
        assert {(p.id, p.visitor, p.facts.sha256) for p in everything} == {
            (id, owner, facts_of(data).sha256) for id, (owner, data) in self.kept.items()
        }
        for picture in everything:
            assert self.store.bytes_of(picture.visitor, picture.id) == self.kept[picture.id][1]
        for label in ("comic", "manga"):
            holds = {id for id in self.kept if self.corrected.get(id, self.said.get(id)) == label}
            assert {p.id for p in self.store.list(None, label=label, model="m").items} == holds
        assert {p.id: c.labels[0] for p, c in self.store.corrections("m")} == self.corrected
        contents = {data for _, data in self.kept.values()}
        assert len(list(self.store._blobs.files())) == 2 * len(contents) + len(self.maps)
        for data in (b"1", b"22", b"333", b"4444"):
            assert self.store.get_map(facts_of(data).sha256, "k") == self.maps.get(data)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_random_walks(kind, request) -> None:
    server = request.getfixturevalue("postgres") if kind == "postgres" else None
    walk = type("WalkOn" + kind, (Walk,), {"server": server})
    run_state_machine_as_test(
        walk,
        settings=settings(
            max_examples=4 if server else 8,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
