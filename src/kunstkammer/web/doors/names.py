"""File names in headers: what visitors call things goes through `store.names` first, and then nothing can break out."""

from __future__ import annotations

import re
from urllib.parse import quote

from kunstkammer.web.store.names import clean_name


def content_disposition(name: str) -> str:
    """Return the header that saves a download under a name (RFC 6266): plain ASCII, and UTF-8 beside it (RFC 8187).

    >>> content_disposition('Käse "1".png')
    'attachment; filename="K_se _1_.png"; filename*=UTF-8\\'\\'K%C3%A4se%20%221%22.png'
    """
    name = clean_name(name)
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
