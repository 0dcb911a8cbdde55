"""Runs a grid: builds sources, trains what is not finished in stacks, scores, appends rows."""

import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mpsae import checkpoint, hosts, rows
from mpsae.canonical import short_id
from mpsae.checkpoint import EVERY, Checkpoint
from mpsae.claims import claim
from mpsae.compiling import compile_seconds
from mpsae.config import Run
from mpsae.files import remove_folder
from mpsae.form import NUMBER, TABLE, TEXT, check
from mpsae.keeper import Keeper
from mpsae.layout import Layout
from mpsae.memory_maps import relieve
from mpsae.mesh import row_mesh
from mpsae.oracle import Bound
from mpsae.outcome import Job, Place, outcome, record, record_bound
from mpsae.progress import Progress
from mpsae.provenance import provenance
from mpsae.source import Source
from mpsae.stop import held
from mpsae.train import Trained, fit, member

MEMBERS_PER_DEVICE = 4  # a stack is the unit whose rows appear together, so it is kept short
STATE = "state"  # below the folder of the rows: checkpoints of what is in training
CLAIMS = "claims"  # and who works on what
ABOUT = {"members": [TEXT], "made": TABLE, "seconds": NUMBER}  # what a checkpoint says of its stack
PAUSE = 1.0  # seconds between two looks at what other processes have claimed


class Stack(NamedTuple):
    """Jobs that are trained together, the ids of those to record, and the checkpoint to go on from."""

    jobs: list[Job]
    todo: set[str]
    found: Checkpoint | None

    @property
    def name(self) -> str:
        """The first job's id, by which it is found, and a digest of them all."""
        return f"{self.jobs[0].id}-{short_id([job.id for job in self.jobs])}"

    def only(self, todo: set[str]) -> "Stack":
        """With only these to do; what a checkpoint holds is trained together to its end all the same."""
        jobs = self.jobs if self.found else [job for job in self.jobs if job.id in todo]
        return Stack(jobs, todo, self.found)


def sweep(
    runs: Iterable[Run],
    *,
    experiment: str,
    scale: str,
    folder: Path,
    command: str,
    bounds: Iterable[Bound] = (),
    bound_seeds: int | None = None,
    share: tuple[int, int] = (1, 1),
    checkpoint_every: float = EVERY,
    allow_older: bool = False,
    layout: Layout | None = None,
    progress: Progress,
) -> list[str]:
    """Do every run that has no finished rows in `folder`; the ids of all runs, in order.

    Each stack of runs is trained together, then scored and appended run by run. In training it is
    kept below `folder` every `checkpoint_every` seconds, at its end and when the process is asked to end, until
    its rows are complete, and the next sweep goes on from there; `allow_older` as in `checkpoint.newest`.
    `bounds` are scored on every world that knows its truth, at the widths and seeds of its runs; with
    `bound_seeds`, of world seeds below it. Several processes can do one sweep: each run is done by one
    of them, and all return once all are done; what a process that died had claimed, another does. With
    share (i, n) only part i of n is done, for processes whose locks do not reach each other. `layout` as in
    `fit`; with one, as many runs are trained together as it has places for members. Raises
    ValueError for a run that cannot be made and for a damaged checkpoint, before anything is trained.
    """
    if not checkpoint_every > 0:
        raise ValueError(f"checkpoint-every = {checkpoint_every:g}: must be a number of seconds above 0")
    jobs = jobs_of(runs, {})
    if layout is not None:
        for job in jobs:
            layout.refuse_misfit(width=job.run.width, batch=job.run.optim.batch, devices=jax.device_count())
    if share != (1, 1) and not all(job.source.stackable for job in jobs):
        raise ValueError(
            "a part of a grid on stored rows cannot be done alone: seeds are compared with seed 0 there"
        )
    folder.mkdir(parents=True, exist_ok=True)  # a place that cannot be written to is refused before the work
    finished = rows.load(folder).finished
    origin = provenance(command, {"name": experiment, "fingerprint": ""})
    if layout is not None:
        origin["device"] |= {"mesh": str(layout), "hosts": jax.process_count()}
    place = Place(experiment, scale, folder, origin)
    bounds = tuple(bounds)
    first, step = share[0] - 1, share[1]
    # Parts depend on the grid alone, not on what is finished or on how many devices there are here.
    mine = [job for stack in _stacks(jobs, MEMBERS_PER_DEVICE)[first::step] for job in stack]
    todo = [job for job in mine if job.id not in finished]
    stacks = _begun(mine, {job.id for job in todo}, place, allow_older, progress)
    worlds = (_worlds(jobs, bound_seeds) if bounds else [])[first::step]
    for number, job in enumerate(worlds, 1):
        progress.show(f"{experiment}: bounds of world {number} of {len(worlds)}")
        with claim(folder / CLAIMS, f"bounds-{job.id}") as free:
            finished |= rows.load(folder).finished if free else set()
            for bound in bounds if free else ():
                finished.add(record_bound(bound, job, place, finished))
    if len(todo) < len(mine):
        progress.say(
            f"{len(mine) - len(todo)} of {len(mine)} runs are already in {folder.name}, not run again"
        )
    begun = {name for stack in stacks for name in stack.todo}
    together = layout.members if layout else MEMBERS_PER_DEVICE * len(jax.local_devices())
    fresh = _stacks([job for job in todo if job.id not in begun], together)
    stacks += [Stack(group, {job.id for job in group}, None) for group in fresh]
    order, done = {job.id: number for number, job in enumerate(mine)}, 0
    left = sorted(stacks, key=lambda stack: order[stack.jobs[0].id])
    while left:
        claimed = []  # by other processes
        for stack in left:
            with contextlib.ExitStack() as claims:
                ours = {name for name in stack.todo if claims.enter_context(claim(folder / CLAIMS, name))}
                if unfinished := ours - rows.load(folder).finished:
                    what = f"{experiment}: run {done + 1}-{done + len(unfinished)} of {len(todo)}"
                    _do_stack(stack.only(unfinished), place, checkpoint_every, layout, progress, what)
            done += len(ours)
            if theirs := stack.todo - ours:
                claimed.append(stack.only(theirs))
        if claimed:
            progress.show(f"{experiment}: {done} of {len(todo)} runs done, the rest by other processes")
            time.sleep(PAUSE)
        left = claimed
    return [job.id for job in jobs]


def jobs_of(runs: Iterable[Run], sources: dict[Any, tuple[Source, str]]) -> list[Job]:
    """The runs with their sources and ids; `sources` are those built before, and get what is built here.

    Raises ValueError for a run that cannot be made.
    """
    same = {fingerprint: source for source, fingerprint in sources.values()}
    jobs: dict[str, Job] = {}
    for run in runs:
        run.validate()
        key = (run.source, None if run.source.stored else run.seed.world)
        if key not in sources:
            source = run.source.build(run.seed.world)
            fingerprint = source.fingerprint()
            # Configs that differ in how they serve the same rows: members then share one array.
            sources[key] = same.setdefault(fingerprint, source), fingerprint
        source, fingerprint = sources[key]
        run.sae.validate(source.dim, run.width)
        job = Job(run, run.id(fingerprint), source, fingerprint)
        jobs.setdefault(job.id, job)
    return list(jobs.values())


def _begun(
    mine: list[Job], todo: set[str], place: Place, allow_older: bool, progress: Progress
) -> list[Stack]:
    """The stacks that were stopped in training; a checkpoint of jobs that are all finished is removed."""
    known, left, found = {job.id: job for job in mine}, set(todo), []
    for job in mine:
        for path in sorted((place.folder / STATE).glob(f"{job.id}-*")):
            saved = checkpoint.newest(path, allow_older=allow_older, say=progress.say)
            if saved is not None:
                check(saved.about, ABOUT, str(saved.path))
            members = [] if saved is None else saved.about["members"]
            if saved is None or not known.keys() >= set(members):
                continue  # it belongs to a command that asked for more
            if not left.intersection(members):
                remove_folder(path)
                continue
            found.append(Stack([known[name] for name in members], left.intersection(members), saved))
            left.difference_update(members)
            progress.say(f"{job.run.label or job.run.sae.name}: goes on at step {saved.step}")
            made, here = saved.about["made"], _made(place)
            if other := [name for name in here if made.get(name) != here[name]]:
                progress.say(
                    f"{path}: made with another {', '.join(other)}, its numbers may differ"
                    " from those of a run that was not stopped"
                )
    return found


def _made(place: Place) -> dict[str, Any]:
    return {name: place.origin[name] for name in ("commit", "packages", "device", "precision")}


def _worlds(jobs: list[Job], seeds: int | None) -> list[Job]:
    """One job for each source with truth, width and seed: a difference to a bound is paired by its seed."""
    found = {
        (job.fingerprint, job.run.width, job.run.seed): job
        for job in jobs
        if job.source.truth is not None and (seeds is None or job.run.seed.world < seeds)
    }
    return list(found.values())


def _stacks(jobs: list[Job], size: int) -> list[list[Job]]:
    """Jobs that can share one compiled program, cut into stacks of at most `size`, in the order of the grid.

    A grid that runs over its seeds first is thus filled evenly: stopped early, it has fewer seeds
    of everything instead of nothing of some.
    """
    alike = defaultdict(list)
    for job in jobs:
        data = jax.tree.structure(job.source) if job.source.stackable else job.fingerprint
        alike[jax.tree.structure((job.run.sae, job.run.optim)), job.run.width, data].append(job)
    stacks = [group[i : i + size] for group in alike.values() for i in range(0, len(group), size)]
    order = {job.id: place for place, job in enumerate(jobs)}
    return sorted(stacks, key=lambda stack: order[stack[0].id])


def train(
    jobs: list[Job], *, report: Callable[..., Any], keeper: Keeper, layout: Layout | None
) -> list[Trained]:
    """The jobs trained as one stack by `fit`; a signal waits until it has saved."""
    members = [
        member(job.run.sae, job.run.optim, data=job.run.seed.data, init=job.run.seed.init,
               dropout=job.run.seed.dropout)
        for job in jobs
    ]  # fmt: skip
    sources, width = [job.source for job in jobs], jobs[0].run.width
    with held():
        return fit(members, sources, width=width, report=report, keeper=keeper, layout=layout)


def _do_stack(
    stack: Stack, place: Place, every: float, layout: Layout | None, progress: Progress, what: str
) -> None:
    jobs, found = stack.jobs, stack.found
    began, compiled = time.monotonic(), compile_seconds()
    start, before = (found.step, found.about["seconds"]) if found else (0, 0.0)

    def running() -> float:
        return time.monotonic() - began - (compile_seconds() - compiled)

    def report(step: int, steps: int, log: dict[str, np.ndarray]) -> None:
        loss = f"loss {np.nanmedian(log['loss']):.3g}" if np.isfinite(log["loss"]).any() else "no finite loss"
        rate = (step - start) * len(jobs) / max(running(), 1e-3)
        progress.show(f"{what} ({jobs[0].run.label}) step {step}/{steps} {loss} {rate:.0f} steps/s")

    def about() -> dict[str, Any]:
        return {
            "members": [job.id for job in jobs],
            "made": _made(place),
            "seconds": before + running(),
        }

    keeper = Keeper(place.folder / STATE / stack.name, count=len(jobs), every=every, found=found, about=about)
    hosts.tell({"do": "fit", "runs": [job.run.to_json() for job in jobs], "ids": [job.id for job in jobs]})
    with hosts.together():
        pass  # the others build their sources
    trained = train(jobs, report=report, keeper=keeper, layout=layout)
    cost = {
        "seconds": round((before + running()) / len(jobs), 2),
        "compile_seconds": round((compile_seconds() - compiled) / len(jobs), 2),
    }
    todo = [(job, one) for job, one in zip(jobs, trained, strict=True) if job.id in stack.todo]
    devices = row_mesh(layout.devices) if layout else None
    # Two programs over the same devices, begun in another order on each, would wait for each other.
    pool = ThreadPoolExecutor(1 if layout else len(jax.local_devices()))
    try:
        scored = pool.map(outcome, *zip(*todo, strict=True), itertools.repeat(devices))
        for number, ((job, one), result) in enumerate(zip(todo, scored, strict=True), 1):
            progress.show(f"{what} ({job.run.label}) scoring {number}/{len(todo)}")
            record(job, one, result, cost, place)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C waits for no score
    keeper.remove()
    relieve()
