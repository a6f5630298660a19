"""Pictures in files: the ending of the name says which kind."""

from __future__ import annotations

from pathlib import Path

from edgeserve.file_swap import write_where_asked
from edgeserve.picture.page import Page, html_document
from edgeserve.picture.svg import svg_document

ENDINGS = (".svg", ".html")


def is_picture(path: Path) -> bool:
    """Whether ``write_picture`` can draw what the name asks for."""
    return path.suffix.lower() in ENDINGS


def write_picture(destination: Path, page: Page) -> None:
    """Writes all of a page, or its picture alone, whole or not at all.

    Raises ConfigError when the disk refuses.
    """
    if destination.suffix.lower() == ".svg":
        document = svg_document(page.heading, page.picture)
    else:
        document = html_document(page)
    write_where_asked(destination, document.encode())
