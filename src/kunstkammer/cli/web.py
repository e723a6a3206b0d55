"""The command `serve`: its most wanted settings; docs/serve.md has them all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.options import Device
from kunstkammer.cli.output import answers


@answers
def serve(
    runs: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="Run folders, or folders made by export; others can be loaded later by the admin."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen. Default: 127.0.0.1, this machine alone.")] = None,
    port: Annotated[Optional[int], typer.Option(help="0: any that is free. Default: 8000.")] = None,  # noqa: UP045
    folder: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where database, pictures and secret are kept. Default: kunstkammer-web."),
    ] = None,
    database: Annotated[str | None, typer.Option(help="PostgreSQL or SQLite by URL. Default: in the folder.")] = None,
    pictures: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="A folder or fsspec URL for the pictures. Default: in the folder."),
    ] = None,
    admin_password: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Lets an admin in. Others on this machine can read the command: better the environment."),
    ] = None,
    expire_days: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Uploads go after so many days; 0: never. Default: 30."),
    ] = None,
    trusted_proxy: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--trusted-proxy", help="Believe X-Forwarded-For and -Proto: only behind a proxy of one's own."),
    ] = None,
    device: Device = None,
) -> None:
    """Serve models as a page and an API: upload, see, understand, correct, delete.

    Every setting can also stand in the environment, as KUNSTKAMMER_PORT and so on.
    """
    from kunstkammer.web.serve import serve as workflow

    workflow(
        *(runs or ()),
        host=host,
        port=port,
        folder=folder,
        database=database,
        pictures=pictures,
        admin_password=admin_password,
        expire_days=expire_days,
        trusted_proxy=trusted_proxy,
        device=device,
    )
