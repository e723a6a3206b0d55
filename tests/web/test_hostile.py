"""A thousand damaged files into a real server: each gets a clear answer, and the server stays."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.pictures.picture_files import bomb, one_of_each
from tests.pictures.test_mutations import mutated
from tests.web.live import live


def hostile(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """Damaged pictures of every format under names that want to be something else."""
    chance = random.Random(seed)
    examples = sorted(one_of_each().items())
    names = [
        "a.png",
        "../../x.jpg",
        "<img src=x onerror=alert(1)>.png",
        "a\x00.gif",
        "CON",
        "\u202egpj.exe",
        "x" * 500,
        "",
    ]
    found = [("bomb.png", bomb()), ("poly.png", one_of_each()["PNG"] + b"<script>alert(1)</script>"), ("e", b"\0")]
    while len(found) < count:
        kind, data = chance.choice(examples)
        broken = mutated(data, chance)
        if chance.random() < 0.1:  # two formats in one file
            broken = broken[: chance.randrange(len(broken) + 1)] + chance.choice(examples)[1]
        found.append((chance.choice(names) or kind, broken))
    return found


def send(url: str, files: list[tuple[str, bytes]]) -> Counter[int]:
    """Send each file alone; return how often each status came. Every refusal is a problem document with a sentence."""
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=url, timeout=60) as web:
        web.headers["X-CSRF-Token"] = web.get("/api/v1/session").json()["csrf"]
        for name, data in files:
            found = web.post("/api/v1/pictures", files={"files": (name, data)})
            statuses[found.status_code] += 1
            if found.status_code == 201:
                assert len(found.json()["pictures"]) == 1
                continue
            problem = found.json()
            assert 400 <= found.status_code < 500, (name, problem)
            assert found.headers["content-type"] == "application/problem+json"
            assert len(problem["detail"]) > 10
    return statuses


def storm(folder: Path, count: int) -> Counter[int]:
    """Send so many files to a server that really decodes; it must be well afterwards, and have made no mistake."""
    limits = {"visitor_rate": 10**7, "all_rate": 10**7, "max_pixels": 10**7}
    with live(folder, reads="truly", **limits) as server:
        statuses = send(server.url, hostile(count))
        assert httpx.get(server.url + "/api/v1/health/live").status_code == 200
        assert "A fault in" not in server.said()
        assert server.stop()[0] == 0
    return statuses


def test_damaged_files_are_answered(tmp_path) -> None:
    statuses = storm(tmp_path, 200)
    assert sum(statuses.values()) == 200
    assert statuses[422] > 50, statuses
    assert statuses[201] > 5, statuses


@pytest.mark.slow
def test_a_thousand_damaged_files_are_answered(tmp_path) -> None:
    statuses = storm(tmp_path, 1100)
    assert sum(statuses.values()) == 1100
    assert set(statuses) <= {201, 400, 413, 415, 422}
