"""A training step of every registered variant beside TopK's: speed, memory, and how far from the machine's limit."""

from collections.abc import Iterable, Iterator
from typing import Any

from mpsae.bench import ours
from mpsae.bench.limits import Limits
from mpsae.bench.problem import Size, problem
from mpsae.bench.race import race, ratio
from mpsae.bench.result import line, result
from mpsae.progress import Progress
from mpsae.sae import SAE, known

REFERENCE = "topk"


def at(sae: type[SAE], k: int) -> SAE:
    """The variant as it comes, asked for k atoms where it can be."""
    one = sae()
    wanted: dict[str, Any] = {"k": k, "target_l0": float(k)}
    return one.replace(**{name: value for name, value in wanted.items() if hasattr(one, name)})


def results(
    size: Size, names: Iterable[str], limits: Limits, rounds: int, progress: Progress
) -> Iterator[dict[str, Any]]:
    """One dict per variant: times, ratios to TopK's, `bound_ms` and `memory_mb`.

    The bound is one no step can beat that reads every row and changes every parameter: see `bound`. Memory is what the
    compiled step holds at once, by its compiler: parameters, Adam's moments, state, rows and temporaries.
    """
    x, atoms = problem(size)
    found = known()
    entrants = []
    for name in dict.fromkeys((REFERENCE, *names)):
        entrants.append(ours.training(name, at(found[name], size.k), x, atoms))
        progress.show(f"variants at {size}: {name} ready")
    progress.show(f"variants at {size}: {rounds} rounds of {len(entrants)}")
    times = race(entrants, rounds=rounds)
    for entrant, time in zip(entrants, times, strict=True):
        versus = {REFERENCE: ratio(times[0], time)}
        progress.say(line("variants", size, entrant, time, versus))
        yield result("variants", size, entrant, time, versus, limits) | {
            "memory_mb": entrant.bytes / 1e6,
            "bound_ms": 1e3 * bound(size, limits),
        }


def bound(size: Size, limits: Limits) -> float:
    """Seconds: the product of the rows with all atoms, 2·batch·dim·width operations, the atoms read and written."""
    entries = size.width * size.dim
    return 2.0 * size.batch * entries / limits.float32 + 8.0 * entries / limits.memory
