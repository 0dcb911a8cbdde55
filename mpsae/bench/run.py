"""One bench run: every size and task, as groups of rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mpsae.bench import learning, memory, ours, peers, stack, variants
from mpsae.bench import limits as bounds
from mpsae.bench.entrant import Entrant, agreement
from mpsae.bench.limits import Limits
from mpsae.bench.problem import SIZES, Size, problem
from mpsae.bench.race import Times, race, ratio
from mpsae.bench.result import line, result
from mpsae.progress import Progress
from mpsae.routes.plan import choose
from mpsae.sae import known

ROUNDS = {"smoke": 2, "quick": 5, "full": 5}
AGREE = 0.99  # share of rows that must have the codes of the first entrant


def results(scale: str, tasks: tuple[str, ...], progress: Progress) -> Iterator[dict[str, Any]]:
    """One dict per entrant and size: task, size, label and the measured values.

    Raises ValueError where an entrant's codes are not those of the first one.
    """
    there = peers.installed()
    progress.say(f"peers: {', '.join(there) or 'none installed (pip install mpsae[bench])'}")
    limits = bounds.measured()
    progress.say(
        f"limits: {limits.float32 / 1e9:.0f} Gflop/s float32, {limits.bfloat16 / 1e9:.0f} bfloat16;"
        f" {limits.cache / 1e9:.0f} GB/s in cache, {limits.memory / 1e9:.0f} GB/s in memory"
    )
    if "memory" in tasks:
        yield from _memory(SIZES[scale][-1], there, progress)
    if "stack" in tasks:
        yield from _stacked(there, 20 if scale == "smoke" else 1, ROUNDS[scale], progress)
    if "learn" in tasks:
        yield from learning.results(scale, ROUNDS[scale], progress)
    if "variants" in tasks:
        for size in SIZES[scale][:2]:
            yield from variants.results(size, known(), limits, ROUNDS[scale], progress)
    for size in SIZES[scale]:
        for task in ("train", "encode", "topk", "omp"):
            if task in tasks:
                yield from _raced(task, size, there, limits, ROUNDS[scale], progress)


def _raced(task: str, size: Size, there, limits: Limits, rounds: int, progress: Progress):
    entrants = []
    for make in _makers(task, size, there):
        entrants.append(make())
        progress.show(f"{task} at {size}: {entrants[-1].name} ready")
    agreed = _agreements(task, size, entrants)
    progress.show(f"{task} at {size}: {rounds} rounds of {len(entrants)}")
    times = race(entrants, rounds=rounds)
    for entrant, time, agree in zip(entrants, times, agreed, strict=True):
        versus = {name: ratio(other, time) for name, other in _references(entrants, times)}
        bound = _bound(task, size, limits, low="screened" in entrant.name)
        found = result(task, size, entrant, time, versus, limits) | {
            "agree": agree,
            "error": _error(size, entrant) if task == "omp" else None,
            "bound_ms": bound and 1e3 * bound,
        }
        progress.say(line(task, size, entrant, time, versus))
        yield found
        if entrant.name == _taken(task, size):
            yield found | {"label": "mp auto"}


def _taken(task: str, size: Size) -> str | None:
    """The entrant whose route `auto` is at this size."""
    if task not in ("train", "encode"):
        return None
    given = task == "encode"
    sizes = dict(k=size.k, batch=size.batch, dim=size.dim, width=size.width)
    return f"mp {choose('auto', **sizes, tied=True, given=given).way}"


def _makers(task: str, size: Size, there: list[str]):
    x, atoms = problem(size)
    if task == "topk":
        if "overcomplete" in there:
            yield lambda: peers.overcomplete_training("topk", size.k, x, atoms)
        for name, sae in ours.one_shots(size.k).items():
            yield lambda name=name, sae=sae: ours.training(name, sae, x, atoms)
        yield lambda: ours.training("mp auto", ours.pursuits(size.k)["mp auto"], x, atoms)
        return
    if task == "omp":
        if "spams" in there:
            yield lambda: peers.spams_encoding(size.k, x, atoms)
        for name, given in (("omp, Gram given", True), ("omp", False)):
            yield lambda name=name, given=given: ours.orthogonal(name, size.k, x, atoms, given=given)
        return
    if "overcomplete" in there:
        build = peers.overcomplete_training if task == "train" else None
        yield (
            lambda: build("mp", size.k, x, atoms) if build else peers.overcomplete_encoding(size.k, x, atoms)
        )
    if task == "train" and "sae_lens" in there:
        yield lambda: peers.saelens_training(size.k, x, atoms)
    if task == "train":
        saes = ours.pursuits(size.k)
        for name in (f"mp {route}" for route in ours.ROUTES):
            yield lambda name=name: ours.training(name, saes[name], x, atoms)
    else:
        for route in ours.ROUTES:
            yield lambda route=route: ours.encoding(f"mp {route}", route, size, x, atoms)


def _agreements(task: str, size: Size, entrants: list[Entrant]) -> list[float | None]:
    """Share of rows with the codes of the first entrant; None where another kind of SAE is raced."""
    if task in ("topk", "omp"):
        return [None] * len(entrants)
    first = entrants[0].codes()
    shares = [agreement(first, entrant.codes()) for entrant in entrants]
    for entrant, share in zip(entrants, shares, strict=True):
        if share < AGREE:
            raise ValueError(
                f"{task} at {size}: only {share:.1%} of the rows of {entrant.name!r} have the codes of"
                f" {entrants[0].name!r}, {AGREE:.0%} are needed: no speed is compared"
            )
    return list(shares)


def _error(size: Size, entrant: Entrant) -> float:
    """Mean squared error of the entrant's codes over the mean square of the rows."""
    x, atoms = problem(size)
    return float(np.square(x - entrant.codes() @ atoms).sum() / np.square(x).sum())


def _references(entrants: list[Entrant], times: list[Times]) -> list[tuple[str, Times]]:
    """What everyone is compared with: the peers, and our TopK."""
    named = zip((entrant.name for entrant in entrants), times, strict=True)
    return [(name, time) for name, time in named if name == "topk" or not name.startswith(("mp ", "omp"))]


def _bound(task: str, size: Size, limits: Limits, *, low: bool) -> float | None:
    if task in ("topk", "omp"):
        return None
    function = bounds.train_bound if task == "train" else bounds.encode_bound
    return function(size, limits, low=low)


def _stacked(there: list[str], shorter: int, rounds: int, progress: Progress):
    entrants = [stack.overcomplete(stack.THEIRS // shorter)] if "overcomplete" in there else []
    entrants.append(stack.ours(stack.OURS // shorter))
    progress.show(f"stack of {stack.MEMBERS}: {rounds} rounds")
    times = race(entrants, rounds=rounds)
    for entrant, time in zip(entrants, times, strict=True):
        versus = {name: ratio(other, time) for name, other in _references(entrants, times)}
        yield result("stack", stack.SIZE, entrant, time, versus, None)
        progress.say(line("stack", stack.SIZE, entrant, time, versus))


def _memory(size: Size, there: list[str], progress: Progress):
    needs = {"overcomplete mp": "overcomplete", "SAELens mp": "sae_lens"}
    for name in memory.MEASURED:
        if needs.get(name, name) not in (*there, name) or (name in needs and needs[name] not in there):
            continue
        progress.show(f"memory of {name} at {size}")
        grown = memory.growth(name, size)
        progress.say(f"memory at {size}: {name} grows by {grown:.0f} MB")
        yield {"task": "memory", "size": size._asdict(), "label": name, "grown_mb": grown}
