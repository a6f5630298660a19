"""The order of `compare`: two sides, the measurements of both, their differences."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edgeserve.compare.comparison import Comparison, compare_pair
from edgeserve.compare.metric import Metric
from edgeserve.compare.selection import Records, chosen, pairs, parse_side
from edgeserve.errors import ConfigError
from edgeserve.measurement import read_measurements
from edgeserve.phone.record_file import folder_of_records, read_phone_measurements
from edgeserve.pipeline.opening import open_model


@dataclass(frozen=True, slots=True)
class Answer:
    """All pairs that two sides have in common; ``budget`` is a share."""

    before: str
    after: str
    budget: float
    comparisons: tuple[Comparison, ...]

    @property
    def has_regressed(self) -> bool:
        return any(comparison.has_regressed for comparison in self.comparisons)


def compare(before: str, after: str, budget: float, metrics: Collection[Metric]) -> Answer:
    """Compares the measurements that two sides (``compare/selection.py``) have in common.

    Raises ConfigError where they have none, or none of the metrics.
    """
    found = pairs(_records(before), _records(after))
    comparisons = tuple(compare_pair(pair, budget, metrics) for pair in found)
    if not any(comparison.differences for comparison in comparisons):
        wanted = ", ".join(sorted(metric.value for metric in metrics))
        raise ConfigError(
            f"neither {before} nor {after} has measured {wanted} on a device of both",
            hint="leave out --metric to see what they have",
        )
    return Answer(before, after, budget, comparisons)


def _records(text: str) -> Records:
    side = parse_side(text)
    bundle = open_model(side.path)
    phones = read_phone_measurements(folder_of_records(side.path, bundle.facts.model_sha256))
    return chosen(side, read_measurements(bundle.measurements_path), phones)
