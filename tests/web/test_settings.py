"""What a server can be told, and by whom."""

from pathlib import Path

import pytest

from kunstkammer.errors import RecipeError
from kunstkammer.web.settings import Settings, table


def test_the_command_goes_before_the_environment_and_that_before_the_defaults() -> None:
    environment = {"KUNSTKAMMER_PORT": "9000", "KUNSTKAMMER_HOST": "0.0.0.0", "KUNSTKAMMER_RUNS": "a:b"}
    settings = Settings.load({"port": 9001, "host": None}, environment)
    assert (settings.port, settings.host, settings.runs) == (9001, "0.0.0.0", ("a", "b"))
    assert settings.expire_days == Settings().expire_days


def test_a_wrong_setting_is_named_with_a_guess() -> None:
    with pytest.raises(RecipeError, match=r"Setting port: .*less than or equal to 65535\.$"):
        Settings.load({"port": 70000}, {})
    with pytest.raises(RecipeError, match=r"Setting prot: .* Did you mean 'port'"):
        Settings.load({"prot": 1}, {})


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(Settings.load({"admin_password": "geheim"}, {}))


def test_the_page_of_settings_is_what_the_code_says() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "serve.md"
    assert table() in page.read_text(encoding="utf-8"), "docs/serve.md: put in what settings.table() returns"
