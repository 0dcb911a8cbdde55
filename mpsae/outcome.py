"""What becomes of a run: its scores, its SAE and its rows, in the folder of the sweep."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from mpsae import rows, saved
from mpsae.canonical import short_id
from mpsae.chains import chain_rows
from mpsae.config import Run, plain
from mpsae.inference import curves, rebuilt
from mpsae.metrics.base import Value
from mpsae.metrics.stability import stability, stability_abs
from mpsae.oracle import Bound
from mpsae.pairs import PairedArrays
from mpsae.reencoding import reencodings
from mpsae.score import Scores, score
from mpsae.source import Source
from mpsae.train import Trained

SPLIT = "held_out"
SHOWN = ("ev", "l0", "mcc_signed", "f1_hungarian")  # in the record of a saved SAE


class Job(NamedTuple):
    """A run that is to be done: its id, its source and what the source's bytes are."""

    run: Run
    id: str
    source: Source
    fingerprint: str


class Place(NamedTuple):
    """Where rows go, and what they say of their making."""

    experiment: str
    scale: str
    folder: Path
    origin: dict[str, Any]  # of the code as it was when the sweep began

    @property
    def file(self) -> Path:
        return rows.current(self.folder)


def outcome(
    job: Job, one: Trained, devices: Mesh | None
) -> tuple[Any, dict, Scores, list[tuple[str, Value]]]:
    """(frozen SAE, its params, its scores, rows of its curves); `devices` as in `score`."""
    sae, params = job.run.sae.freeze(one.params, one.state)
    k, ks = getattr(job.run.sae, "k", 0), job.run.evaluation.ks
    trained = int(k) if k and k == int(k) and not _target(job.run.sae) else None
    more = curves(sae, params, job.source, ks, trained=trained).rows if ks else []
    pairs = job.source
    if ks and isinstance(pairs, PairedArrays) and pairs.chains is not None:
        more += chain_rows(sae, params, pairs.chains, ks, images=pairs.chain_images, root=pairs.root)
    scores = score(sae, params, job.source, also=job.run.evaluation.matrices, devices=devices)
    l0 = scores.value("l0")
    assert l0 is not None  # a count is always defined
    more += reencodings(sae, params, job.source, job.run.evaluation.encoders, l0=l0, seed=job.run.seed.data)
    return sae, params, scores, more + l0_miss(job.run.sae, l0)


def l0_miss(sae: Any, found: float) -> list[tuple[str, Value]]:
    """Measured L0 over the mean L0 the variant was steered to, - 1; matched is within 2 %."""
    target = _target(sae)
    return [("l0_miss", Value(found / target - 1))] if target else []


def _target(sae: Any) -> float:
    """The mean L0 that training steers to; 0 where it steers to none."""
    steered = getattr(sae, "controller", "none") != "none" or getattr(sae, "sparsity_loss", "") == "target"
    k = getattr(sae, "k", 0)
    return float(sae.target_l0) if steered else k if isinstance(k, float) else 0.0


def record(job: Job, one: Trained, result: tuple, cost: dict[str, float], place: Place) -> None:
    """Save the SAE of an `outcome` and append its rows."""
    run, (sae, params, scores, more) = job.run, result
    more = more + _stability(job, params, place)
    values = _lines(scores.rows + more, scores.n)
    if one.diverged >= 0:
        note = f"diverged at step {one.diverged}"
        values = [value | {"value": None, "note": note} for value in values]
    values += _matrices(job, sae, params, scores, place)
    origin = place.origin | {"data": {"name": run.source.name, "fingerprint": job.fingerprint}}
    saved.save(
        place.folder / "saes" / job.id,
        sae,
        params,
        dim=job.source.dim,
        width=run.width,
        trained_on={
            "fingerprint": job.fingerprint,
            "source": {"name": run.source.name} | plain(run.source) | {"world": run.seed.world},
            "steps": run.optim.steps,
            "samples": run.optim.steps * run.optim.batch,
        },
        provenance=origin,
        scores=[value for value in values if value["metric"] in SHOWN and not value["at"]],
    )
    status = {"status": "diverged", "step": one.diverged} if one.diverged >= 0 else {"status": "ok"}
    head = run.identity(job.fingerprint) | {"label": run.label or run.sae.name, "data": run.source.title}
    _append(place, job.id, head, origin, values, status | cost)


def _append(place: Place, run_id: str, head: dict, origin: dict, values: list[dict], end: dict) -> None:
    run = head | {
        "schema": rows.SCHEMA,
        "run": run_id,
        "experiment": place.experiment,
        "scale": place.scale,
        "provenance": origin,
    }
    rows.append(place.file, rows.Group(run=run, values=values, end=end))


def _lines(values: list[tuple[str, Value]], n: int) -> list[dict[str, Any]]:
    return [
        {"metric": name, "value": value.value, "n": n, "at": value.at, "split": SPLIT}
        | ({} if value.count is None else {"count": int(value.count)})
        | ({} if value.note is None else {"note": value.note})
        for name, value in values
    ]


def _matrices(job: Job, sae: Any, params: dict, scores: Scores, place: Place) -> list[dict[str, Any]]:
    wanted = job.run.evaluation
    # One that is undefined here has a row that says so already.
    kept = {name: scores.matrices[name].array for name in wanted.matrices if name in scores.matrices}
    if wanted.atoms:
        most = np.argsort(-scores.matrices["energy"].array, kind="stable")[: wanted.atoms]
        kept["atoms"] = np.asarray(params["atoms"])[most]
    if wanted.examples:
        x = job.source.held_out(0)[0][: wanted.examples]
        kept["examples"] = np.stack([x, *rebuilt(sae, params, x, wanted.ks)], axis=1)
    if not kept:
        return []
    kept = {name: np.asarray(array, np.float32) for name, array in kept.items()}
    return [line | {"at": {}, "split": SPLIT} for line in rows.write_arrays(place.folder, job.id, kept)]


def _stability(job: Job, params: dict, place: Place) -> list[tuple[str, Value]]:
    """Agreement with the same cell at seed 0 on the same data, once that run is saved."""
    if job.source.stackable:
        return []  # another seed is another world, whose dictionary is another one
    first = dataclasses.replace(job.run, seed=type(job.run.seed)())
    folder = place.folder / "saes" / first.id(job.fingerprint)
    if first.seed == job.run.seed or not folder.is_dir():
        return []
    other = np.asarray(saved.load(folder)[1]["atoms"])
    mine = np.asarray(params["atoms"])
    return [("stability", stability(mine, other)), ("stability_abs", stability_abs(mine, other))]


def record_bound(bound: Bound, job: Job, place: Place, finished: set[str]) -> str:
    """The rows of a dictionary that no SAE was trained for, scored as if it were an architecture; its id."""
    run, source = job.run, job.source
    head = bound.identity(run, source, job.fingerprint)
    run_id = short_id(head)
    if {run_id, earlier_id(bound, head)} & finished:
        return run_id
    scores = score(*bound.build(source, run.seed, head["width"]), source)
    origin = place.origin | {"data": {"name": run.source.name, "fingerprint": job.fingerprint}}
    _append(
        place,
        run_id,
        head | {"label": bound.name, "data": run.source.title},
        origin,
        _lines(scores.rows, scores.n),
        {"status": "ok"},
    )
    return run_id


def earlier_id(bound: Bound, head: dict[str, Any]) -> str:
    """The id of a bound while fields that decide no number were part of it, as some stored rows have them."""
    every = {} if bound.encoder is None else plain(bound.encoder)
    return short_id(head | {"fields": head["fields"] | every})
