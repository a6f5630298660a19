"""What queueing theory says of frames that arrive at random, to be printed beside a simulation."""

from __future__ import annotations


def utilization(mean_service: float, mean_interval: float) -> float:
    """The share of time that inference takes; from 1 on the queue grows without end."""
    return mean_service / mean_interval


def mean_wait_md1(service: float, mean_interval: float) -> float | None:
    """The mean wait before service in M/D/1, in its arguments' unit; None where it is endless.

    Pollaczek and Khinchine's formula (L. Kleinrock, Queueing Systems I, 1975, section 5.6) for a
    service time that does not vary: rho * service / (2 * (1 - rho)).
    """
    rho = utilization(service, mean_interval)
    return None if rho >= 1 else rho * service / (2 * (1 - rho))
