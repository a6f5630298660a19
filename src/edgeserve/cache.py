"""Where edgeserve keeps what it can make again, and the locks that processes share."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir


def cache_root() -> Path:
    """``EDGESERVE_CACHE`` where set, else ``edgeserve`` in the user's cache folder."""
    given = os.environ.get("EDGESERVE_CACHE")
    return Path(given) if given else Path(user_cache_dir("edgeserve", appauthor=False))
