"""The type of a lowering: it appends to the program what one operator asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgeserve.graph import Op, OpKind
from edgeserve.lower.builder import Builder

Lowerings: TypeAlias = Mapping[OpKind, Callable[[Builder, Op], None]]
