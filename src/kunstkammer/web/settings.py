"""Everything a server can be told: by the command, by `KUNSTKAMMER_...` in the environment, else the defaults here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from kunstkammer.errors import RecipeError, guess

PREFIX = "KUNSTKAMMER_"


class Settings(BaseModel):
    """What one server holds to. Sizes in bytes, times in seconds where the name says nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[str, ...] = Field((), description="Run folders (or exported folders) to serve.")
    folder: Path = Field(Path("kunstkammer-web"), description="Where the database, pictures and the secret are kept.")
    database: str = Field("", description="SQLAlchemy URL; empty: SQLite in the folder.")
    pictures: str = Field("", description="A folder or fsspec URL for the pictures; empty: inside the folder.")
    host: str = Field("127.0.0.1", description="Where to listen; 127.0.0.1 is this machine alone.")
    port: int = Field(8000, ge=0, le=65535, description="0: any that is free; it is printed.")
    admin_password: SecretStr | None = Field(None, description="Lets an admin in; without it there is none.")
    secret: SecretStr | None = Field(None, description="Signs the cookies; made once and kept in the folder if empty.")
    trusted_proxy: bool = Field(False, description="Believe X-Forwarded-For and -Proto (behind a proxy of one's own).")
    expire_days: float = Field(30.0, ge=0, description="Uploads go after so many days; 0: never.")
    max_bytes: int = Field(20 * 2**20, ge=1, description="Of one picture.")
    max_files: int = Field(64, ge=1, description="Pictures in one request.")
    max_pixels: int = Field(64_000_000, ge=1, description="Width times height of one picture.")
    visitor_bytes: int = Field(2 * 2**30, ge=1, description="What one visitor may keep in all.")
    device: str = Field("", description="Where networks run: auto, cpu, cuda or mps; empty: auto.")
    batch_size: int = Field(32, ge=1, description="Pictures of all visitors that go through the model together.")
    queue: int = Field(256, ge=1, description="Pictures that may wait; more are answered with 503 and Retry-After.")
    job_queue: int = Field(
        64, ge=1, description="Jobs of all visitors that are not finished; more are answered with 503."
    )
    visitor_jobs: int = Field(
        3, ge=1, description="Jobs of one visitor that are not finished; more are answered with 429."
    )
    job_steps: int = Field(5000, ge=1, description="Steps of one job, such as heat maps; longer jobs are refused.")
    job_days: float = Field(7.0, gt=0, description="A finished job goes after so many days, with its results.")
    job_turn_seconds: float = Field(10.0, ge=0, description="Then a job lets another visitor's go on, where one waits.")
    job_lease_seconds: float = Field(
        30.0, gt=0, description="A job whose worker is not heard of for so long is taken over."
    )
    decoders: int = Field(2, ge=1, description="Processes that read pictures.")
    decode_seconds: float = Field(10.0, gt=0, description="For one picture; then its process is stopped.")
    decode_memory: int = Field(2 * 2**30, ge=2**27, description="Address space for decoding beyond the start.")
    read_seconds: float = Field(
        30.0, gt=0, description="For a visitor to send a request's head, and between its parts."
    )
    connections: int = Field(1000, ge=1, description="Lines that are open at once; more are turned away with 503.")
    buffer_bytes: int = Field(
        2**29, ge=1, description="Memory for uploads that are arriving; more are answered with 503."
    )
    visitor_rate: int = Field(240, ge=1, description="Requests a minute of one visitor or address.")
    all_rate: int = Field(6000, ge=1, description="Requests a minute of all together.")
    stop_seconds: float = Field(20.0, ge=0, description="What runs may finish for so long when the server stops.")

    @classmethod
    def load(cls, values: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
        """Return the settings: `values` (None: not given) before the environment before the defaults.

        Raises `RecipeError` naming the setting and what it may be.
        """
        environment = os.environ if environment is None else environment
        given: dict[str, Any] = {}
        for name in cls.model_fields:
            text = environment.get(PREFIX + name.upper())
            if text:
                given[name] = tuple(text.split(os.pathsep)) if name == "runs" else text
        given |= {name: value for name, value in (values or {}).items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            meant = "" if name in cls.model_fields else guess(name, cls.model_fields)
            raise RecipeError(f"Setting {name}: {first['msg']}.{meant}") from error


def table() -> str:
    """Return every setting as the Markdown table of docs/serve.md."""
    lines = ["| setting | environment | default | what it is |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, (), "") else f"`{field.default}`"
        lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)
