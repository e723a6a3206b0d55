"""What a file is, by its first bytes: the formats that are read, and plain names for what is not a picture."""

from __future__ import annotations

import re

SNIFFED_BYTES = 512

_SIGNATURES: tuple[tuple[str, bytes], ...] = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("GIF", rb"GIF8[79]a"),
    ("WEBP", rb"RIFF.{4}WEBP"),
    ("TIFF", rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+"),
    ("BMP", rb"BM.{12}[\x0c-\x80]\x00\x00\x00"),
    ("AVIF", rb".{4}ftyp(avif|avis)|.{4}ftyp(mif1|msf1|miaf).{0,64}?avi[fs]"),
)

_OTHERS: tuple[tuple[str, bytes], ...] = (
    ("HEIC, which is not read; save it as JPEG or PNG", rb".{4}ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)"),
    ("JPEG XL, which is not read; save it as JPEG or PNG", rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    ("JPEG 2000, which is not read; save it as JPEG or PNG", rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  "),
    ("Photoshop, which is not read; save it as PNG or TIFF", rb"8BPS"),
    ("PDF, which is not read; save its pages as PNG", rb"%PDF"),
    ("PostScript, which is not read; save it as PNG", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("DjVu, which is not read; save its pages as PNG", rb"AT&TFORM"),
    ("icon, which is not read; save it as PNG", rb"\x00\x00[\x01\x02]\x00"),
    (
        "SVG drawing, which is not read; save it as PNG",
        rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg.*?>\s*)?<svg",
    ),
    ("HTML: perhaps the page of a failed download", rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body)"),
    ("XML", rb"\s*<\?xml"),
    ("zip archive or office file", rb"PK(\x03\x04|\x05\x06)"),
    ("RAR archive", rb"Rar!\x1a\x07"),
    ("7z archive", rb"7z\xbc\xaf"),
    ("gzip", rb"\x1f\x8b"),
    ("xz", rb"\xfd7zXZ"),
    ("Zstandard", rb"\x28\xb5\x2f\xfd"),
    ("pickle", rb"\x80[\x02-\x05][\x95\x8a\x8c()\]}cX\x63\x7d\x71KGMJNU]"),
    ("NumPy array", rb"\x93NUMPY"),
    ("Parquet", rb"PAR1"),
    ("SQLite database", rb"SQLite format 3"),
    ("Git LFS pointer: fetch the real file with 'git lfs pull'", rb"version https://git-lfs"),
    ("program", rb"\x7fELF|MZ|\xcf\xfa\xed\xfe"),
    ("film", rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01[\xb3\xba]"),
    ("sound", rb"RIFF.{4}WAVE|ID3|fLaC|OggS|MThd"),
    ("JSON", rb"\s*[\[{]\s*(\"|\[|\{|\]|\}|-?\d)"),
)

_FORMAT_PATTERNS = [(name, re.compile(pattern, re.DOTALL)) for name, pattern in _SIGNATURES]
_OTHER_PATTERNS = [(name, re.compile(pattern, re.DOTALL | re.IGNORECASE)) for name, pattern in _OTHERS]


def format_of(head: bytes) -> str | None:
    """Return the name of the picture format that a file begins as, or None.

    >>> format_of(b"GIF89a" + bytes(10))
    'GIF'
    """
    return next((name for name, pattern in _FORMAT_PATTERNS if pattern.match(head)), None)


def what_it_looks_like(head: bytes) -> str:
    """Say in a few words what a file is that is not a picture.

    >>> what_it_looks_like(b"<!DOCTYPE html><title>404</title>")
    'not a picture (HTML: perhaps the page of a failed download)'
    >>> what_it_looks_like(b"")
    'empty file'
    """
    if not head:
        return "empty file"
    for name, pattern in _OTHER_PATTERNS:
        if pattern.match(head):
            return f"not a picture ({name})"
    if not head.strip(b"\x00"):
        return "not a picture (only zeros: perhaps a broken download)"
    return f"not a picture ({'text' if _is_text(head) else 'unknown data'})"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):  # byte order marks
        return True
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # a character cut in two at the end of the sample is still text
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f\x1b" for character in text)
