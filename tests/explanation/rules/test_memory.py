"""What explaining a network of fifty layers takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import pathlib, resource, sys, torch, transformers
from kunstkammer.explanation import explain
model = transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=10))
explain(model, torch.zeros(1, 3, 224, 224), 1, sys.argv[1])
status = pathlib.Path("/proc/self/status")
if status.exists():  # the other counter takes over the peak of the process that started this one
    print(next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak memory of a process")
@pytest.mark.parametrize("method", ["guided-backprop", "lrp-epsilon", "lrp-composite", "deep-taylor"])
def test_resnet_50_in_under_2_gb(method: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, method], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2 * 10**9
