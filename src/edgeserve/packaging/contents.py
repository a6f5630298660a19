"""What a package is made of: a model's project without the port, and what is known of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeserve.firmware.project import LIBRARY_FOLDER, MODEL_FOLDER, Part, Project

_LEFT_OUT = (Part.PORT, Part.BENCH, Part.APP)
_OF_THE_PORT = (
    *("es_no_crash_record.c", "es_no_bus.c", "es_port.h"),
    *("bench_config.h", "library.json"),
)
"""What stands in for a port, is asked of one, or is the bench's."""


@dataclass(frozen=True, slots=True)
class Contents:
    """``files`` are the project's by their paths; ``stack_bytes`` is what an inference may take,
    as ``edgeserve check`` says it; ``made_for`` the core that the kernels were chosen for.
    """

    project: Project
    files: dict[str, bytes]
    model: str
    board_name: str
    made_for: str
    stack_bytes: int
    version: str

    @property
    def name(self) -> str:
        """What the package is called."""
        return f"edgeserve_{self.project.symbol}"

    def sources(self) -> Iterator[tuple[str, bytes]]:
        """The sources that every package has, by their paths in the project."""
        for source in self.project.sources:
            if source.part not in _LEFT_OUT and not source.path.endswith(_OF_THE_PORT):
                yield source.path, self.files[source.path]

    def headers(self) -> Iterator[tuple[str, bytes]]:
        """The headers that these may include."""
        ours = (f"{LIBRARY_FOLDER}/", f"{MODEL_FOLDER}/")
        for path, data in self.files.items():
            wanted = path.startswith(ours) and not path.endswith(_OF_THE_PORT)
            if path.endswith(".h") and wanted and "/port/" not in path:
                yield path, data


def readme(contents: Contents, how: str) -> str:
    """What a package says of itself. ``how`` is the part about its build system."""
    return f"""\
# {contents.name}

The model `{contents.model}` for {contents.board_name}, written by edgeserve {contents.version}. Its
kernels were chosen for {contents.made_for} and may not assemble for another core: export it again
with another `--board`. The arena takes {contents.project.arena_bytes:,} bytes, an inference at
most {contents.stack_bytes:,} bytes of stack (from a table of measured code). Nothing allocates.

{how}
Compiled, never run on a board: `edgeserve verify` holds the same sources against the oracle on an
emulated one.
"""
