"""The frame of a page: one HTML file that holds everything and asks for nothing, in two languages, light and dark."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from kunstkammer.evaluation.report import words
from kunstkammer.version import __version__


def render(template: str, title: words.Both, **values: Any) -> str:
    """Return a page as HTML.

    Args:
        template: a file of `templates/` that extends page.html.j2 and fills its blocks `header` and `main`.
        title: of the browser's window.
        values: what the template asks for.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kunstkammer.evaluation.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(
        t=words.word,
        attribute=words.attribute,
        decimal=words.decimal,
        percent=words.percent,
        points=words.points,
        signed=words.signed_points,
        whole=words.whole,
        duration=words.duration,
        note=words.note,
    )
    script = (Path(__file__).parent / "templates" / "script.js").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        title=title,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=__version__,
        **values,
    )
