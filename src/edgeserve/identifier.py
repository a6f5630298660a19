"""Names from models, made fit for C and for people."""

from __future__ import annotations

import re

_RESERVED_WORDS = """
    alignas alignof asm auto bool break case catch char class const constexpr continue default
    delete do double else enum explicit export extern false float for friend goto if inline int
    linux long main mutable namespace new noexcept nullptr operator private protected public
    register restrict return short signed sizeof static struct switch template this thread_local
    throw true try typedef typename typeof union unix unsigned using virtual void volatile wchar_t
    while
    memcpy memset memmove memcmp
    NULL EOF NAN INFINITY errno assert stdin stdout stderr
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_IDENTIFIER_LENGTH = 40


def c_identifier(name: str) -> str:
    """A C identifier made of ``name``, the same on every machine and for ever.

    Each run of characters other than ASCII letters and digits becomes
    one ``_``; none is left at the ends; at most 40 characters stay. A name of which nothing is left
    becomes ``model``; ``model_`` goes before a digit and before names that C, C++, the runtime
    (``es_``) or the preprocessor own. Different names may give the same identifier.
    """
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    text = text[:_IDENTIFIER_LENGTH].rstrip("_")
    if not text:
        return "model"
    if text[0].isdigit() or text in _RESERVED or text.lower().startswith("es_"):
        return f"model_{text}"
    return text


def short_name(name: str, limit: int = 44) -> str:
    """A tensor's name for people: converters chain several, and each may be a long path."""
    first, *others = name.split(";")
    cut = first if len(first) <= limit else f"...{first[3 - limit :]}"
    return f"{cut} (+{len(others)})" if others else cut
