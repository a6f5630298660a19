"""Pictures in files: the ending of the name says which kind."""

from __future__ import annotations

from pathlib import Path

from edgeserve.errors import ConfigError
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
    draft = destination.with_name(f".{destination.name}.new")
    try:
        draft.write_text(document, encoding="utf-8")
        draft.replace(destination)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(
            f"cannot write {destination}: {error.strerror}",
            hint="name a file in a folder that exists and that you may write to",
        ) from error
