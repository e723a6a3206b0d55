"""Files in a folder and behind fsspec URLs."""

from __future__ import annotations

import errno
import os
import secrets
import time
from pathlib import Path

import pytest

from kunstkammer.errors import ResourceError
from kunstkammer.web.errors import StorageFull
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from kunstkammer.web.store.blobs import LocalBlobs, RemoteBlobs, born, name_of, new_name, open_blobs
from tests.web.store.conftest import files_in, put

SHA = "ab" * 32


@pytest.fixture(params=["folder", "file", "memory", "fsspec on a folder"])
def blobs(request, tmp_path):
    """A place of each kind."""
    if request.param == "fsspec on a folder":
        return RemoteBlobs(f"local://{tmp_path}/x")
    places = {"folder": f"{tmp_path}/my pictures", "file": f"file://{tmp_path}/my%20pictures", "memory": "memory://"}
    return open_blobs(places[request.param] + f"/{secrets.token_hex(4)}")


def test_files_come_and_go(blobs) -> None:
    name, other = new_name(SHA), new_name(SHA)
    assert name != other
    blobs.put(name, {"original": b"one"})
    blobs.put(other, {"map": b"two"})
    assert blobs.get(name, "original") == b"one"
    assert blobs.get(name, "thumbnail") is None
    assert blobs.has(other, "map")
    assert not blobs.has(other, "original")
    assert sorted(blobs.files()) == sorted([f"{name}.original", f"{other}.map"])
    blobs.remove(name, "original")
    blobs.remove(name, "original")
    blobs.remove_file(f"{other}.map")
    assert list(blobs.files()) == []
    blobs.healthy()


def test_names_tell_their_age_and_only_ours_are_ours() -> None:
    name = new_name(SHA)
    assert abs(born(name) - time.time()) < 60
    assert name_of(f"{name}.original") == name_of(f"{name}.map.0a1b2c3d.partial") == name
    for foreign in ("notes.txt", f"{name}", f"{name}.jpg", f"x{name}.original", f"{SHA}.original"):
        assert name_of(foreign) is None
    with pytest.raises(ValueError, match="no SHA-256"):
        new_name("../../etc")


def test_a_whole_store_behind_a_url(tmp_path) -> None:
    store = Store.open(Settings(folder=tmp_path, pictures=f"memory://{secrets.token_hex(4)}"))
    picture = put(store, "ada", b"one")
    assert store.bytes_of("ada", picture.id) == b"one"
    assert not any("original" in file for file in files_in(tmp_path))
    store.delete("ada", picture.id)
    assert list(store._blobs.files()) == []
    store.close()


def test_a_place_that_cannot_be_used_is_named(tmp_path) -> None:
    with pytest.raises(ResourceError, match="nonsense"):
        open_blobs("nonsense://user:secret@host/x")
    with pytest.raises(ResourceError) as caught:
        open_blobs("nonsense://user:secret@host/x")
    assert "secret" not in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="file, not a folder"):
        open_blobs(str(tmp_path / "file" / "x"))
    gone = LocalBlobs(tmp_path / "soon gone")
    (tmp_path / "soon gone").rmdir()
    with pytest.raises(ResourceError, match="gone"):
        gone.healthy()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, code) -> None:
    blobs = LocalBlobs(tmp_path)

    def refuse(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("kunstkammer.web.store.blobs.os.fsync", refuse)
    with pytest.raises(StorageFull, match="full"):
        blobs.put(new_name(SHA), {"original": b"one"})
    assert files_in(tmp_path) == set()
    monkeypatch.undo()
    monkeypatch.setattr("kunstkammer.web.store.blobs.os.fsync", lambda _handle: None)
    blobs.put(new_name(SHA), {"original": b"one"})


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here to ask which file was synced")
def test_files_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch) -> None:
    """The order that a power cut asks for: the file's bytes, the name, the folder that has the name."""
    seen: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        seen.append("sync " + (".".join(name.split(".")[2::2]) or name))
        fsync(handle)

    def note_replace(*paths, **options) -> None:
        seen.append("rename")
        replace(*paths, **options)

    blobs = LocalBlobs(tmp_path / "place")
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    blobs.put(new_name(SHA), {"original": b"one", "thumbnail": b"two"})
    written = ["sync original.partial", "rename", "sync thumbnail.partial", "rename"]
    assert seen == ["sync place", *written, "sync ab"]


def test_what_a_library_behind_a_url_raises_is_told(monkeypatch) -> None:
    class OwnError(Exception):
        """As botocore and aiohttp have theirs."""

    def fail(*_arguments, **_options) -> None:
        raise OwnError("no\ncredentials")

    blobs = open_blobs("memory://told")
    monkeypatch.setattr(type(blobs._fs), "pipe_file", fail)
    with pytest.raises(ResourceError, match="does not answer as it should: no credentials"):
        blobs.put(new_name(SHA), {"original": b"one"})


def test_what_is_kept_is_for_its_owner_alone(tmp_path) -> None:
    folder = tmp_path / "house"
    store = Store.open(Settings(folder=folder))
    put(store, "ada", b"one")
    for path in (folder, folder / "pictures", *(folder / "pictures").rglob("*/"), *folder.glob("*.db*")):
        assert path.stat().st_mode & 0o077 == 0, path
    store.close()
