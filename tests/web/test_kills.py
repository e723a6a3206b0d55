"""kill -9 in the middle of uploads: what was answered with 201 is there afterwards, byte for byte.

`KUNSTKAMMER_KILLS=30` makes it thirty kills.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from pathlib import Path

import httpx

from kunstkammer.web.settings import Settings
from kunstkammer.web.store.store import Store
from tests.web.live import Live
from tests.web.visitors import API, png

SENDERS = 6
KILLS = int(os.environ.get("KUNSTKAMMER_KILLS", "4"))
LIMITS = {"visitor_rate": 10**7, "all_rate": 10**7}


def _send(server: Live, secret: str, kept: dict[str, str], chance: random.Random) -> None:
    """Upload until the server is gone; note each picture that was acknowledged: its id and its SHA-256."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=30) as web:
        while True:
            # Bytes after the end of a PNG are no part of the picture, but of the file: sizes and contents differ.
            data = png(chance.randrange(256)) + os.urandom(chance.choice((10, 1_000, 300_000)))
            try:
                found = web.post(f"{API}/pictures", files={"files": ("a.png", data)})
            except httpx.HTTPError:
                return
            assert found.status_code == 201, found.text
            kept[found.json()["pictures"][0]["id"]] = hashlib.sha256(data).hexdigest()


def _kill_while_uploading(folder: Path, secret: str, kept: dict[str, str], chance: random.Random) -> None:
    server = Live(folder, **LIMITS)
    senders = [
        threading.Thread(target=_send, args=(server, secret, kept, random.Random(chance.random())))
        for _ in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    enough, deadline = len(kept) + chance.randrange(3, 30), time.monotonic() + 20
    while len(kept) < enough and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.0, 0.01))
    server.kill()
    for sender in senders:
        sender.join()


def _kills(folder: Path, count: int) -> int:
    """Kill so often; then hold the server to every acknowledgement. Returns how many there were."""
    store = Store.open(Settings(folder=folder))
    secret = store.make_token("sender", admin=True)[1]
    store.close()
    kept: dict[str, str] = {}
    chance = random.Random(count)
    for _ in range(count):
        _kill_while_uploading(folder, secret, kept, chance)
    server = Live(folder, **LIMITS)
    try:
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=30) as web:
            for id, sha256 in kept.items():
                found = web.get(f"{API}/pictures/{id}/original")
                assert found.status_code == 200, id
                assert hashlib.sha256(found.content).hexdigest() == sha256
            # What was kept without an acknowledgement is whole, too: one upload of each sender and kill at most.
            total = web.get(f"{API}/pictures").json()["total"]
            assert len(kept) <= total <= len(kept) + SENDERS * count
        assert server.stop()[0] == 0
    finally:
        server.kill()
    return len(kept)


def test_acknowledged_pictures_survive_kills(tmp_path) -> None:
    assert _kills(tmp_path, KILLS) >= 3 * KILLS
