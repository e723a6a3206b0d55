"""A run that was killed at any moment goes on exactly: the same weights, bit for bit, and the same history."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kunstkammer.training.state import newest_state

LESSON = Path(__file__).with_name("lesson.py")


def start(data: Path, run: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(LESSON), str(data), str(run), *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


def untimed(run: Path) -> list[dict]:
    lines = (run / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if "second" not in k} for line in lines]


def same_weights(one: Path, two: Path) -> bool:
    a, b = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_weights(collection_folder, tmp_path):
    assert start(collection_folder, tmp_path / "whole").wait() == 0
    random.seed(5)
    kills = 0
    process = start(collection_folder, tmp_path / "killed")
    deadline = time.monotonic() + 120
    while kills < 4 and time.monotonic() < deadline:
        before = newest_state(tmp_path / "killed")
        while process.poll() is None and newest_state(tmp_path / "killed") == before:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.05))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        process = start(collection_folder, tmp_path / "killed", "resume")
    assert process.wait() == 0
    assert kills >= 2, "the training was over before it could be killed"
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "killed")
