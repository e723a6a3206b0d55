"""What explaining a network of fifty layers takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch, transformers
from kunstkammer.explanation import explain
model = transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=10))
explain(model, torch.zeros(1, 3, 224, 224), 1, sys.argv[1])
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak memory of a process")
@pytest.mark.parametrize("method", ["guided-backprop", "lrp-epsilon", "lrp-composite", "deep-taylor"])
def test_resnet_50_in_under_2_gb(method: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, method], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2 * 10**9
