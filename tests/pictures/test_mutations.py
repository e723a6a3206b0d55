"""No bytes whatever bring anything but a picture or a `PictureError`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunstkammer.errors import PictureError
from kunstkammer.pictures.read import picture_size, read_picture
from tests.pictures.picture_files import one_of_each

T = TypeVar("T")
EXAMPLES = one_of_each()


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Damage a file in one of the ways in which files get damaged, or are damaged on purpose."""
    broken = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(len(broken)) if chance.random() < 0.5 else chance.randrange(min(len(broken), 160))
        match chance.randrange(6):
            case 0:
                broken[place] = chance.randrange(256)
            case 1:
                broken[place] ^= 1 << chance.randrange(8)
            case 2:
                broken[place : place + 4] = chance.choice(
                    (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")
                )
            case 3:
                del broken[place : place + chance.randrange(1, 40)]
            case 4:
                broken[place:place] = broken[place : place + chance.randrange(1, 40)]
            case _:
                del broken[max(place, 4) :]
        if not broken:
            break
    return bytes(broken)


def outcome(read: Callable[[], T]) -> T | None:
    """Return what was read, or None after a `PictureError`; anything else falls through and fails the test."""
    said = ""
    try:
        return read()
    except PictureError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return None


def survives(data: bytes, **options: object) -> bool:
    """Read as everybody does; True if it was read."""
    size = outcome(lambda: picture_size(data, max_pixels=10**7))
    picture = outcome(lambda: read_picture(data, max_pixels=10**7, **options))
    if picture is None:
        return False
    assert picture.mode in ("RGB", "L")
    assert size is not None
    picture.tobytes()
    return True


@pytest.mark.parametrize("kind", EXAMPLES)
def test_mutated_files(kind: str) -> None:
    chance = random.Random(kind)
    results = [
        survives(mutated(EXAMPLES[kind], chance), grey=bool(n % 2), at_least=(None, 4)[n % 3 == 0]) for n in range(50)
    ]
    assert not all(results)  # the mutations do hurt


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    survives(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)), st.binary(max_size=60), st.integers(4, 60))
def test_a_good_beginning_and_anything_after(kind: str, rest: bytes, kept: int) -> None:
    survives(EXAMPLES[kind][:kept] + rest)
