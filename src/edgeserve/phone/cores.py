"""What speed each group of cores is allowed now, beside what it is able to do.

One shell command prints, for each cpufreq policy, ``policyN scaling_max_freq cpuinfo_max_freq`` in
kHz; an empty field is a file that the shell may not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeserve.absent import Absent

CAPS_COMMAND = (
    "for p in /sys/devices/system/cpu/cpufreq/policy*; do "
    'echo "${p##*/} $(cat $p/scaling_max_freq 2>/dev/null)'
    ' $(cat $p/cpuinfo_max_freq 2>/dev/null)"; '
    "done"
)
_ROW = re.compile(r"^(policy\d+) +(\d{1,12}) +(\d{1,12}) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cap:
    """A group of cores: what the governor may use now, and what the silicon can do."""

    policy: str
    allowed_khz: int
    top_khz: int

    @property
    def lowered(self) -> bool:
        return self.allowed_khz < self.top_khz


def parse_caps(text: str) -> tuple[Cap, ...] | Absent:
    """Reads the answer to ``CAPS_COMMAND``."""
    rows = [(name, int(allowed), int(top)) for name, allowed, top in _ROW.findall(text)]
    caps = tuple(Cap(name, allowed, top) for name, allowed, top in rows if top)
    return caps or Absent("no cpufreq policy can be read")
