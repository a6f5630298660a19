"""What a model's answers are worth: rates with intervals, errors, and what moved to where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeserve.accuracy_record import Move, OutputError, Paired, Rates, proportion
from edgeserve.bundle import TensorFacts
from edgeserve.convert.layer_errors import Noise

MOST_MOVES = 20
"""The most frequent ones are kept."""

Scores = NDArray[np.float64]
"""Real outputs ``[samples, classes]``."""


def rates(scores: Scores, labels: NDArray[np.int64], k: int | None) -> Rates:
    """Of the labels, how many are a model's first, and are among its first ``k``.

    Of equal scores the class of the lower number comes first, as ``argmax`` has it.
    """
    ranked = np.argsort(-scores, axis=1, kind="stable")
    hit = ranked == labels[:, None]
    return Rates(
        proportion(int(hit[:, 0].sum()), len(labels)),
        None if k is None else proportion(int(hit[:, :k].sum()), len(labels)),
    )


def paired(exact: Scores, quantized: Scores, labels: NDArray[np.int64]) -> Paired:
    """Who of the two is right where one alone is; McNemar's exact test."""
    from scipy.stats import binomtest

    ours, theirs = (scores.argmax(axis=1) == labels for scores in (exact, quantized))
    lost, gained = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    p_value = 1.0 if lost + gained == 0 else float(binomtest(lost, lost + gained).pvalue)
    return Paired(lost, gained, p_value)


def moves(exact: Scores, quantized: Scores, labels: NDArray[np.int64] | None) -> tuple[Move, ...]:
    """The samples that the quantized model gives another class, by pairs of classes."""
    ours, theirs = exact.argmax(axis=1), quantized.argmax(axis=1)
    changed = np.flatnonzero(ours != theirs)
    pairs = Counter((int(ours[row]), int(theirs[row])) for row in changed)
    right = Counter(
        (int(ours[row]), int(theirs[row]))
        for row in changed
        if labels is not None and labels[row] == ours[row]
    )
    ranked = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:MOST_MOVES]
    return tuple(
        Move(*pair, pairs[pair], None if labels is None else right[pair]) for pair in ranked
    )


def output_errors(
    facts: Sequence[TensorFacts], exact: Sequence[Scores], quantized: Sequence[Scores]
) -> tuple[OutputError, ...]:
    """The errors of each output; arrays ``[samples, ...]``."""
    return tuple(
        _output_error(fact, wanted, got)
        for fact, wanted, got in zip(facts, exact, quantized, strict=True)
    )


def _output_error(facts: TensorFacts, wanted: Scores, got: Scores) -> OutputError:
    error = np.abs(wanted - got)
    noise = Noise()
    noise.add(wanted, got)
    return OutputError(
        facts.name, float(error.mean()), float(error.max()), noise.sqnr_db, facts.scale
    )
