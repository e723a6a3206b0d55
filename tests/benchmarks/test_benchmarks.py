"""The benchmarks run, name what they measure, and call a missed target missed. No timing is judged here."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.contest import Measure, Options, Skipped, Target, compare, contest
from benchmarks.run import JOBS, chosen, main, print_table, summary

from kunstkammer.errors import KunstkammerError

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"__init__", "run", "contest", "machine", "subjects", "bare_loop", "plain_trainer", "keras_peer", "visitors"}


def test_every_file_is_a_benchmark_or_a_known_part_of_one():
    assert {file.stem for file in (ROOT / "benchmarks").glob("*.py")} == PARTS | set(JOBS)


def test_every_benchmark_can_be_imported_and_measures():
    for name in JOBS:
        module = importlib.import_module(f"benchmarks.{name}")
        assert callable(module.measure)
        assert name == module.JOB


def test_help_lists_every_benchmark_without_loading_torch():
    code = "import sys, benchmarks.run as r\ntry: r.main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in JOBS:
        assert f"  {name} " in done.stdout
        assert summary(name) in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_readme_says_what_every_benchmark_does():
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for file in (ROOT / "benchmarks").glob("*.py"):
        if file.stem not in ("__init__", "run"):
            assert f"`{file.name}`" in readme


def test_the_keras_peer_needs_nothing_of_kunstkammer():
    tree = ast.parse((ROOT / "benchmarks" / "keras_peer.py").read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name.split(".")[0] in ("kunstkammer", "benchmarks", "torch", "transformers")}
    assert ours == set()


def test_startup_is_measured_printed_and_written(tmp_path, capsys):
    out = tmp_path / "results.json"
    assert main([str(tmp_path), "--only", "startup", "--repeats", "1", "--out", str(out)]) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    first = results["measures"][0]
    assert first["name"] == "kunstkammer --help"
    assert first["ratio"] == pytest.approx(first["ours"] / first["peer"])
    assert first["met"] is (first["ours"] < 0.3)
    assert results["machine"]["cores"] >= 1
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    assert "of 1 targets met" in capsys.readouterr().out


def test_a_benchmark_that_fails_is_said_in_a_line_and_takes_no_other_with_it(tmp_path, capsys):
    out = tmp_path / "results.json"
    nowhere = str(tmp_path / "nowhere")
    assert main([nowhere, "--only", "plates", "startup", "--repeats", "1", "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("Error: plates: ")
    assert "nowhere" in said.err
    assert "plates: what is missing above: not measured, it failed" in said.out
    results = json.loads(out.read_text(encoding="utf-8"))
    assert {one["job"] for one in results["measures"]} == {"startup"}
    assert [one["job"] for one in results["skipped"]] == ["plates"]


def test_installing_runs_only_when_it_is_named():
    assert chosen(None) == [name for name in JOBS if name != "install"]
    assert chosen(["install", "startup"]) == ["startup", "install"]


def test_contestants_take_turns_and_who_begins_changes():
    order: list[str] = []

    def contestant(name):
        def run():
            order.append(name)
            return {name: float(len(order))}

        return run

    rounds = contest({name: contestant(name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"
    assert rounds == {"a": [1.0, 6.0, 8.0], "b": [2.0, 4.0, 9.0], "c": [3.0, 5.0, 7.0]}


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds():
    rounds = {"ours": [1.0, 10.0, 4.0], "peer": [2.0, 10.0, 1.0]}
    found = compare("job", "name", "s", rounds, ours="ours", peer="peer")
    assert (found.ours, found.peer, found.ratio) == (4.0, 2.0, 1.0)
    assert found.met is None


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("ratio", ">=", 0.9), False),
        (Target("ratio", "<=", 0.9), True),
        (Target("value", "<", 8.0), False),
        (Target("value", ">=", 8.0), True),
    ],
)
def test_a_missed_target_is_called_missed(target, met, capsys):
    found = Measure("job", "name", "s", 8.0, peer=10.0, ratio=0.8, peer_name="peer", target=target)
    assert found.met is met
    assert ("MISSED" in found.to_text()) is not met
    print_table([found, Skipped("job", "other", "it is not here")])
    said = capsys.readouterr().out
    assert ("MISSED" in said) is not met
    assert f"{int(met)} of 1 targets met" in said
    assert "not measured, it is not here" in said


def test_training_needs_an_epoch_that_is_neither_the_first_nor_the_last(tmp_path):
    training = importlib.import_module("benchmarks.training")
    with pytest.raises(KunstkammerError, match="--epochs 3"):
        next(training.measure(Options(tmp_path, tmp_path, epochs=2)))


def test_a_python_without_keras_is_named(tmp_path):
    training = importlib.import_module("benchmarks.training")
    with pytest.raises(KunstkammerError, match="keras"):
        training.keras_rate(tmp_path / "python", tmp_path / "arrays.npz", 32, 2, "float32")


def test_drawn_pictures_for_memory_are_all_different(tmp_path):
    memory = importlib.import_module("benchmarks.memory")
    memory.draw_pictures(tmp_path, 6)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert [file.parent.name for file in files] == ["round"] * 3 + ["square"] * 3
    assert len({file.read_bytes() for file in files}) == 6


def test_the_real_loop_and_the_bare_one_are_timed_over_the_same_pictures(collection_folder, tmp_path, monkeypatch):
    subjects = importlib.import_module("benchmarks.subjects")
    training = importlib.import_module("benchmarks.training")
    bare = importlib.import_module("benchmarks.bare_loop")
    monkeypatch.setattr(subjects, "BATCH", 8)
    monkeypatch.setitem(subjects._COMMON, "training.batch_size", 8)
    subject = subjects.make_subject(subjects.SKETCHNET, Options(collection_folder, tmp_path), tmp_path / "cache")
    assert len(subject) == 24
    ours = training.learn(subject, epochs=3)
    assert min(ours[training.OURS], ours[training.WITH_STATES]) > 0
    assert bare.bare_loop(subject, bare.InMemory(subject, True), bare.Manner(), epochs=2) > 0
