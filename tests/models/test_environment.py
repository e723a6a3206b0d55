"""A torchvision that was built for another torch is named before it breaks transformers."""

import importlib.metadata

import pytest

from kunstkammer.errors import ModelError
from kunstkammer.models.environment import require_fitting_torchvision


@pytest.fixture
def installed(monkeypatch):
    """Pretend that a torchvision is installed that was built for torch 2.12.0, beside the torch given."""

    def pretend(torch: str) -> None:
        monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy", "torch==2.12.0", "pillow!=8.3.*"])
        monkeypatch.setattr(importlib.metadata, "version", lambda name: torch if name == "torch" else "0.27.0")

    return pretend


def test_one_that_does_not_fit_is_named_with_the_mend(installed):
    installed("2.13.0+cpu")
    with pytest.raises(
        ModelError, match=r"torchvision 0\.27\.0 was built for torch 2\.12\.0.*pip uninstall torchvision"
    ):
        require_fitting_torchvision()


def test_one_that_fits_is_left_alone(installed):
    installed("2.12.0+cpu")
    require_fitting_torchvision()
