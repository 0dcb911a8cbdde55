"""Interleaved timing: A B C, A B C, ... and medians of the ratios within a round."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mpsae.bench.entrant import Entrant

LEAST = 0.2  # seconds: a call shorter than this takes more steps


class Times(NamedTuple):
    """CPU and wall seconds a step, one per round."""

    cpu: np.ndarray
    wall: np.ndarray


class Ratio(NamedTuple):
    """Median, smallest and largest of the ratios of the rounds."""

    median: float
    low: float
    high: float


def race(entrants: Sequence[Entrant], *, rounds: int) -> list[Times]:
    """Seconds a step of every entrant. Before each timed call comes an untimed one of the same.

    The first step with a large buffer after another program pays for populating its pages; the
    untimed call takes that, and it sets how many steps a timed call has.
    """
    spent: list[tuple[list[float], list[float]]] = [([], []) for _ in entrants]
    counts = [1] * len(entrants)
    for turn in range(rounds):
        for i, entrant in enumerate(entrants):
            began = time.perf_counter()
            entrant.call(1)
            once = time.perf_counter() - began
            if turn == 0:
                if once < LEAST:  # the first call may hold one-off work: again
                    began = time.perf_counter()
                    entrant.call(1)
                    once = time.perf_counter() - began
                counts[i] = max(entrant.least, min(1000, round(LEAST / max(once, 1e-6))))
            cpu, wall = time.process_time(), time.perf_counter()
            entrant.call(counts[i])
            spent[i][0].append((time.process_time() - cpu) / counts[i] / entrant.unit)
            spent[i][1].append((time.perf_counter() - wall) / counts[i] / entrant.unit)
    return [Times(np.array(cpu), np.array(wall)) for cpu, wall in spent]


def ratio(slow: Times, fast: Times) -> Ratio:
    """CPU time of `slow` over that of `fast`, round by round."""
    each = slow.cpu / fast.cpu
    return Ratio(float(np.median(each)), float(each.min()), float(each.max()))
