"""compose.yaml: its parts fit together, no secret stands in it, nothing is open to the network."""

from __future__ import annotations

import re

import pytest
import yaml

from kunstkammer.web.settings import PREFIX, Settings
from kunstkammer.web.store.database import Database
from tests.packaging.conftest import ROOT

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


@pytest.fixture
def compose() -> dict:
    return yaml.safe_load(TEXT)


def test_the_server_waits_for_a_database_that_answers(compose) -> None:
    web, database = compose["services"]["web"], compose["services"]["database"]
    assert web["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "pg_isready" in " ".join(database["healthcheck"]["test"])
    assert re.fullmatch(r"postgres:\d+\.\d+-[a-z]+", database["image"])


def test_every_variable_has_a_default_or_is_asked_for_and_passwords_have_none(compose) -> None:
    for name, sign, _ in VARIABLE.findall(TEXT):
        assert sign == ("?" if "PASSWORD" in name else "-"), name
    assert not re.search(r"PASSWORD: (?!\$)", TEXT)


def test_only_this_machine_can_come_in_and_files_that_stay_have_a_place(compose) -> None:
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["web"]["ports"])
    assert "ports" not in compose["services"]["database"]
    mounted = {volume.split(":")[0] for one in compose["services"].values() for volume in one["volumes"]}
    assert {name for name in mounted if not name.startswith(".")} == set(compose["volumes"])
    assert compose["services"]["web"]["read_only"] is True
    assert compose["services"]["web"]["cap_drop"] == ["ALL"]


def test_the_settings_are_settings_and_the_url_is_one(compose) -> None:
    environment = compose["services"]["web"]["environment"]
    assert {name.removeprefix(PREFIX).lower() for name in environment} <= set(Settings.model_fields)
    values = {
        name: VARIABLE.sub(lambda found: "secret" if found[2] == "?" else found[3], text)
        for name, text in environment.items()
    }
    settings = Settings.load({}, values)
    assert settings.runs == ("/models/pages",)
    assert settings.trusted_proxy is False
    database = Database(settings.database)
    assert (database.url.host, database.url.database, database.url.password) == ("database", "kunstkammer", "secret")
