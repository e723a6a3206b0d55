"""The command as a person meets it: help, JSON, exit statuses, every verb in a row on a small collection."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from kunstkammer.registry import HOMES, names
from tests.cli.command import run
from tests.conftest import write_collection

DOCS = Path(__file__).resolve().parents[2] / "docs"
VERBS = [
    "demo", "draw", "list", "check", "train", "evaluate", "predict", "explain", "explain-quality",
    "fit-patterns", "fit-neighbours", "serve",
]  # fmt: skip
TINY = [
    "--recipe", "anime-cartoon", "--set", "picture.size=32", "--set", "training.epochs=2",
    "--set", "model.options={stages: [[4], [8]], dense: 8}", "--set", "evaluation.resamples=100",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A collection and a run that learnt from it."""
    place = tmp_path_factory.mktemp("trained")
    data = write_collection(place / "noise", each=20)
    done = run("train", str(data), "--out", str(place / "run"), *TINY, "--json")
    assert done.status == 0, done.stderr
    return data, place / "run", done


def test_help_names_every_verb_and_each_verb_has_help():
    done = run("--help")
    assert done.status == 0
    assert all(verb in done.stdout for verb in VERBS)
    for verb in VERBS:
        assert run(verb, "--help").status == 0


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from kunstkammer.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = ('torch', 'transformers', 'datasets', 'numpy', 'PIL', 'pandas')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_reference_of_commands_is_what_the_code_says():
    command = [sys.executable, "-m", "typer", "kunstkammer.cli.app", "utils", "docs", "--name", "kunstkammer"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert kept.split() == made.split(), "docs/commands.md is out of date: make docs"


@pytest.mark.parametrize(
    "words", [["trian"], ["train"], ["train", "x", "--recipee", "y"], ["predict", "x", "y", "--top", "none"]]
)
def test_wrong_usage_is_exit_status_2(words):
    done = run(*words)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr


def test_train_prints_one_json_object_with_the_agreed_keys(trained):
    _, folder, done = trained
    found = done.json()
    assert {"run", "report", "n", "metrics", "zero_r"} <= found.keys()
    assert found["run"] == str(folder)
    assert Path(found["report"]).is_file()
    assert {"accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "log_loss", "roc_auc"} <= found["metrics"].keys()
    for value in found["metrics"].values():
        assert value["low"] <= value["value"] <= value["high"]
    assert 0.4 < found["zero_r"]["accuracy"] < 0.6


def test_a_run_folder_is_an_ordinary_checkpoint_with_its_papers(trained):
    _, folder, _ = trained
    names_there = {file.name for file in folder.iterdir()}
    assert {
        "config.json", "model.safetensors", "preprocessor_config.json", "README.md", "recipe.yaml", "run.json",
        "split.csv", "history.jsonl", "metrics.json", "predictions.csv", "report.html",
    } == names_there  # fmt: skip
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


def test_evaluate_measures_the_test_part_of_its_own_collection_and_all_of_another(trained, tmp_path):
    data, folder, done = trained
    again = run("evaluate", str(folder), str(data), "--out", str(tmp_path / "again"), "--json").json()
    assert again["n"] == done.json()["n"]
    assert again["metrics"]["accuracy"] == done.json()["metrics"]["accuracy"]
    other = write_collection(tmp_path / "other", each=6, seed=9)
    found = run("evaluate", str(folder), str(other), "--json").json()
    assert found["n"] == 12
    assert Path(found["report"]) == folder / "evaluation-other" / "report.html"


def test_evaluate_says_when_no_label_is_in_common(trained, tmp_path):
    other = write_collection(tmp_path / "other", labels=("cats", "dogs"))
    done = run("evaluate", str(trained[1]), str(other))
    assert done.status == 1
    assert "no label in common" in done.stderr


def test_predict_writes_what_it_says(trained, tmp_path):
    data, folder, _ = trained
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out = tmp_path / "said.csv"
    done = run("predict", str(folder), str(data / "dark"), str(tmp_path / "broken.png"), "--out", str(out), "--json")
    found = done.json()
    assert len(found["predictions"]) == 20
    first = found["predictions"][0]
    assert {row["label"] for row in first["labels"]} == {"dark", "light"}
    assert sum(row["probability"] for row in first["labels"]) == pytest.approx(1)
    assert [row["file"] for row in found["unreadable"]] == [str(tmp_path / "broken.png")]
    assert len(out.read_text(encoding="utf-8").splitlines()) == 21
    assert run("predict", str(folder), str(data), "--out", "said.xlsx").status == 1


def test_explain_writes_a_picture_and_the_raw_map(trained, tmp_path):
    data, folder, _ = trained
    files = [str(data / "dark" / "000.png"), str(data / "light" / "000.png")]
    done = run("explain", str(folder), *files, "--method", "all", "--out", str(tmp_path), "--json")
    found = done.json()
    maps, left_out = found["maps"], found["left_out"]
    assert {row["method"] for row in maps} == set(names("explainers")) - set(left_out)
    assert {"gradient", "grad-cam", "occlusion"} <= {row["method"] for row in maps}
    assert "no attention" in left_out["attention-rollout"]
    assert "kunstkammer fit-patterns RUN DATA" in left_out["pattern-net"]
    assert len({row["png"] for row in maps}) == 2 * len({row["method"] for row in maps})
    assert Path(found["comparison"]).is_file()
    for row in maps:
        assert Path(row["array"]).is_file()
        with Image.open(row["png"]) as image:
            assert min(image.size) >= 40
    misspelt = run("explain", str(folder), *files, "--target", "drak", "--out", str(tmp_path))
    assert "Did you mean 'dark'?" in misspelt.stderr


def test_check_finds_copies_and_writes_its_page(tmp_path):
    data = write_collection(tmp_path / "noise")
    (data / "dark" / "copy.png").write_bytes((data / "dark" / "003.png").read_bytes())
    done = run("check", str(data), "--out", str(tmp_path / "health.html"), "--json")
    found = done.json()
    assert {"pictures", "unreadable", "duplicates", "leaks", "classes"} <= found.keys()
    assert found["classes"] == {"dark": 13, "light": 12}
    assert found["duplicates"] == [["dark/003.png", "dark/copy.png"]]
    assert "<html" in (tmp_path / "health.html").read_text(encoding="utf-8")
    assert "dark/copy.png" in run("check", str(data)).stdout


@pytest.mark.parametrize("kind", sorted(HOMES))
def test_list_prints_every_kind(kind):
    found = run("list", kind, "--json").json()
    assert [row["name"] for row in found[kind]] == names(kind)
    assert all(row["summary"] for row in found[kind])


def test_every_verb_is_a_function_of_the_same_name():
    import kunstkammer

    for verb in VERBS:
        assert callable(getattr(kunstkammer, verb.replace("-", "_")))


def test_explain_makes_preferred_inputs_or_explains_pictures(trained, tmp_path):
    data, folder, _ = trained
    done = run("explain", str(folder), "--preferred", "dark", "--out", str(tmp_path), "--json")
    assert [row["label"] for row in done.json()["pictures"]] == ["dark"]
    for wrong in ([], [str(data), "--preferred", "dark"]):
        done = run("explain", str(folder), *wrong, "--out", str(tmp_path))
        assert done.status == 1
        assert "not both, not neither" in done.stderr
