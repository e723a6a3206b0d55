"""File names as visitors send them, made harmless for people, databases and headers."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

LONGEST = 200


def clean_name(raw: str | None) -> str:
    """Return a name without paths, control signs and signs that turn the direction of writing; never empty.

    >>> [clean_name(name) for name in ("../../etc/passwd\\x00.png", "C:\\\\a\\\\b.jpg", "  ", "\\u202egnp.exe")]
    ['passwd.png', 'b.jpg', 'picture', 'gnp.exe']
    """
    name = unicodedata.normalize("NFC", raw or "")
    name = "".join(
        sign for sign in name if unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
    name = re.split(r"[/\\]", name)[-1].strip(" .")
    if len(name) > LONGEST:
        stem, dot, suffix = name.rpartition(".")
        kept = dot + suffix if stem and len(suffix) <= 10 else ""
        name = name[: LONGEST - len(kept)].rstrip(" .") + kept
    return name or "picture"


def content_disposition(name: str) -> str:
    """Return the header that saves a download under a name (RFC 6266): plain ASCII, and UTF-8 beside it (RFC 8187).

    >>> content_disposition('Käse "1".png')
    'attachment; filename="K_se _1_.png"; filename*=UTF-8\\'\\'K%C3%A4se%20%221%22.png'
    """
    name = clean_name(name)
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
