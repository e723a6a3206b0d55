"""What a figure depends on beside the code: the machine and the versions. Neither names nor paths of the machine."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("kunstkammer", "torch", "transformers", "datasets", "kornia", "numpy", "pillow", "scikit-learn")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the model of the processor as the system calls it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_gb() -> float | None:
    """Return the machine's memory in GB, None where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError, AttributeError):
        return None


def load() -> float | None:
    """Return the load average of the last minute: above the benchmark's own work, others were busy too."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def facts() -> dict[str, Any]:
    """Return cores, processor, memory, whether bfloat16 is native, the device, threads and versions."""
    import torch

    from kunstkammer.models.devices import choose_device
    from kunstkammer.training.precision import native_bf16

    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": cores(),
        "memory_gb": memory_gb(),
        "load_before": load(),
        "native_bf16": native_bf16(torch.device("cpu")),
        "training_device": choose_device().type,
        "torch_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
