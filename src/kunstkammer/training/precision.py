"""Which precision this machine computes in, decided by the processor and not by hope."""

from __future__ import annotations

import torch

from kunstkammer.errors import RecipeError


def native_bf16(device: torch.device) -> bool:
    """Say whether a device multiplies bfloat16 matrices in hardware (AVX512-BF16, AMX, SVE-BF16, Ampere and later)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _has_bf16_instructions()
    return False


def _has_bf16_instructions() -> bool:
    """oneDNN also emulates bfloat16, which is slower than float32; so ask for the instructions themselves."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if any(getattr(torch.cpu, check, lambda: False)() for check in checks):
        return True
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return " bf16" in file.read()  # Arm's name for its bfloat16 instructions
    except OSError:
        return False


def use_bf16(precision: str, device: torch.device) -> bool:
    """Return whether to train in bfloat16 for a recipe's `precision`: "auto", "fp32" or "bf16".

    Raises `RecipeError` where bf16 is asked for and the device has none.
    """
    if precision == "bf16" and not native_bf16(device):
        raise RecipeError("training.precision is bf16, but this processor has no bf16 arithmetic; use auto or fp32.")
    return precision != "fp32" and native_bf16(device)
