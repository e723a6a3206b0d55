"""Bad input: each gets one clear line that names the thing and the mend, exit status 1, and leaves nothing behind."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.command import run
from tests.conftest import write_collection

TINY = [
    "--set",
    "picture.size=32",
    "--set",
    "training.epochs=1",
    "--set",
    "model.options={stages: [[4], [8]], dense: 8}",
]
TRAIN = ["--recipe", "anime-cartoon", *TINY, "--set", "evaluation.resamples=100", "--set", "evaluation.pictures=1"]


def train(data: Path, out: Path, *words: str):
    return run("train", str(data), "--out", str(out), *TRAIN, *words)


def assert_one_clear_line(done, *words: str) -> None:
    assert done.status == 1, done
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "inside Kunstkammer" not in done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def bomb(path: Path, side: int = 50_000) -> None:
    """Write a PNG of a few kB that says it is 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 100_000)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def empty_folder(folder: Path) -> tuple[str, ...]:
    folder.mkdir()
    return ("noise",)


def one_class(folder: Path) -> tuple[str, ...]:
    write_collection(folder, labels=("dark",))
    return ("dark",)


def one_picture_in_a_class(folder: Path) -> tuple[str, ...]:
    write_collection(folder)
    for file in sorted((folder / "light").iterdir())[1:]:
        file.unlink()
    return ("light",)


def an_empty_class_folder(folder: Path) -> tuple[str, ...]:
    write_collection(folder)
    (folder / "grey").mkdir()
    return ("grey",)


def a_label_for_a_file_that_is_not_there(folder: Path) -> tuple[str, ...]:
    write_collection(folder)
    rows = [f"{label}/{i:03}.png,{label}" for label in ("dark", "light") for i in range(12)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label", *rows, "dark/lost.png,dark"]) + "\n")
    return ("lost.png",)


def no_collection_at_all(folder: Path) -> tuple[str, ...]:
    folder.with_name("noises").mkdir()
    return ("noise", "Did you mean 'noises'?")


@pytest.mark.parametrize(
    "make",
    [
        empty_folder,
        one_class,
        one_picture_in_a_class,
        an_empty_class_folder,
        a_label_for_a_file_that_is_not_there,
        no_collection_at_all,
    ],
)
def test_a_collection_that_cannot_be_learnt_from(tmp_path, make):
    words = make(tmp_path / "noise")
    assert_one_clear_line(train(tmp_path / "noise", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()


def test_pictures_that_cannot_be_read_are_named_and_left_out(tmp_path, collection_folder):
    (collection_folder / "dark" / "letter.png").write_text("Dear Sir or Madam")
    whole = (collection_folder / "light" / "000.png").read_bytes()
    (collection_folder / "light" / "half.png").write_bytes(whole[: len(whole) // 2])
    (collection_folder / "light" / "nothing.jpg").write_bytes(b"")
    bomb(collection_folder / "dark" / "bomb.png")
    done = train(collection_folder, tmp_path / "run", "--json")
    assert done.status == 0, done.stderr
    assert "4 unreadable" in done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    health = run("check", str(collection_folder), "--json").json()
    assert {entry["file"] for entry in health["unreadable"]} == {
        "dark/letter.png", "light/half.png", "light/nothing.jpg", "dark/bomb.png"
    }  # fmt: skip
    assert all(entry["cause"] for entry in health["unreadable"])


def test_names_with_umlauts_spaces_emoji_and_200_characters(tmp_path):
    folder = write_collection(tmp_path / "Bücher und 🎨", labels=("Düstere Bilder", "helle 🌞"))
    for i, name in enumerate(["Müller & Söhne <b>.png", "🎭🎭.png", "x" * 200 + ".png", "ein Bild, mit Komma;.png"]):
        Image.fromarray(np.full((40, 40, 3), 20 + i, np.uint8)).save(folder / "Düstere Bilder" / name)
    done = train(folder, tmp_path / "lauf ü", "--json")
    assert done.status == 0, done.stderr
    assert done.json()["n"] > 0
    predicted = run("predict", str(tmp_path / "lauf ü"), str(folder / "Düstere Bilder"), "--json")
    files = [Path(row["file"]).name for row in predicted.json()["predictions"]]
    assert "x" * 200 + ".png" in files
    assert "🎭🎭.png" in files


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "training.epoch=3"], ("training.epoch", "Did you mean 'epochs'?")),
        (["--set", "training.epochs=many"], ("training.epochs", "'many'")),
        (["--set", "training.loss=bcee"], ("bcee", "Did you mean 'bce'?")),
        (["--set", "model.name=sketchnett"], ("sketchnett", "Did you mean 'sketchnet'?")),
        (["--set", "data.groups=[titel]"], ("titel",)),
        (["--set", "data.labels=[dark, lihgt]"], ("lihgt",)),
        (["--set", "evaluation.explainer=gradcam"], ("gradcam", "Did you mean 'grad-cam'?")),
        (["--set", "nonsense"], ("KEY=VALUE",)),
        (["--recipe", "anime-cartoons"], ("anime-cartoons", "Did you mean 'anime-cartoon'?")),
        (["--recipe", "mine.yaml"], ("mine.yaml",)),
        (["--label-column", "labl"], ("labl",)),
    ],
)
def test_what_is_misspelt_is_answered_with_the_nearest_guess(tmp_path, collection_folder, words, expected):
    assert_one_clear_line(train(collection_folder, tmp_path / "run", *words), *expected)
    assert not (tmp_path / "run").exists()


def test_a_run_that_exists_is_not_overwritten(tmp_path, collection_folder):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep me")
    assert_one_clear_line(train(collection_folder, tmp_path / "run"), "run", "name another folder")
    assert_one_clear_line(train(collection_folder, tmp_path / "run", "--resume"), "no run to resume")
    assert (tmp_path / "run" / "mine.txt").read_text() == "keep me"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="a file system of its own needs root")
@pytest.mark.parametrize("option", ["size=200k", "ro"])
def test_a_full_or_read_only_disk_is_named_and_nothing_stays(tmp_path, collection_folder, option):
    import subprocess

    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        big = ["--set", "model.options={stages: [[32, 32], [64, 64]], dense: 1028}"]
        done = train(collection_folder, place / "run", *big)
        assert_one_clear_line(done, str(place / "run"), "full" if "size" in option else "read-only")
        assert not (place / "run" / "config.json").exists()
        assert not list(place.rglob("*.writing-*"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_predict_on_what_is_not_there(tmp_path, collection_folder):
    assert_one_clear_line(run("predict", str(tmp_path / "runn"), str(collection_folder)), "runn")
    missing = run("predict", str(tmp_path), str(collection_folder / "drak"))
    assert_one_clear_line(missing, "drak", "Did you mean 'dark'?")
    assert_one_clear_line(run("check", str(collection_folder.with_name("noisy"))), "noisy", "Did you mean 'noise'?")
