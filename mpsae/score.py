"""Score a frozen SAE: stream held-out rows through one compiled function, then apply the metrics.

Memory is that of the accumulators and of one chunk of rows (`heldout.chunks`), whatever the
number of rows. An accumulator or table above `bounds.TABLE` is not made: the metrics that
need it are null with a note.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from mpsae import kept
from mpsae import match as matching
from mpsae.book import Book, absent, before, closure
from mpsae.bounds import TooLarge, check_table
from mpsae.encoding import above, active, encode
from mpsae.heldout import Source, chunks, to_device
from mpsae.mesh import over_rows
from mpsae.metrics import base
from mpsae.metrics.base import STATISTICS, Batch, Matrix, Truth, Value
from mpsae.overlap import Overlap
from mpsae.registry import pick


class Scores(NamedTuple):
    """Rows to be: (metric, Value), the arrays, and the number of samples they rest on."""

    rows: list[tuple[str, Value]]
    matrices: dict[str, Matrix]
    n: int

    def value(self, name: str, at: dict[str, float | str] | None = None) -> float | None:
        """The value of a metric at a point of its curve ({} = the pooled one)."""
        for row, value in self.rows:
            if row == name and value.at == (at or {}):
                return value.value
        there = [value.at for row, value in self.rows if row == name]
        raise ValueError(f"no score {name!r} at {at or {}}: there are {there}")


def score(
    sae: Any,
    params: dict,
    source: Source,
    *,
    metrics: Sequence[str] | None = None,
    also: Sequence[str] = (),
    eps: float = 0.0,
    devices: Mesh | None = None,
) -> Scores:
    """Every requested metric of a frozen SAE on the held-out rows of a source.

    By default all known but those that are computed only on request, of which `also` names some, and
    those about pairs, labels or captions where the rows are none or have none. What needs truth, pursuit steps,
    an encoder matrix or a smaller table is null with a note. A code of at
    most `eps` on a unit atom counts as inactive (0 keeps all; 1e-3 in Tree SAE; a pursuit
    without tolerance needs it, or its steps on rounding error count); x̂ keeps every code. With `devices`,
    of `mesh.row_mesh`, the rows of a chunk are divided over them, and each has the whole dictionary.
    """
    known = base.known_metrics()
    truth = None if source.truth is None else Truth.of(source.truth)
    atoms = np.asarray(params["atoms"], np.float64)
    if not np.isfinite(atoms).all():
        raise ValueError("score: params['atoms'] holds values that are not finite")
    labels, scores_true = (getattr(source, name, None) for name in ("labels", "scores_true"))
    captions = getattr(source, "captions", None)
    encoder = params.get("encoder")  # a variant may call something else so
    there = {
        "truth": truth,
        "steps": getattr(sae, "steps", None),
        "encoder": encoder if getattr(encoder, "shape", None) == atoms.shape[::-1] else None,
        "pairs": getattr(source, "paired", False) or None,
        "labels": labels,
        "scores_true": scores_true,
        "captions": captions and captions.said,
        "speaker": captions and captions.speaker,
    }
    lacks = {name for name, value in there.items() if value is None}
    kind = lacks - {"truth", "steps", "encoder"}  # no run on such data can have them
    if metrics is None:
        metrics = [name for name, f in known.items() if not f.on_request and not absent(f.arguments, kind)]
    asked = dict.fromkeys((*metrics, *also))
    wanted = {name: pick(known, name, "metric") for name in asked}

    missing = {name: absent(formula.arguments, lacks) for name, formula in wanted.items()}
    names = set().union(*(closure(f.arguments) for name, f in wanted.items() if not missing[name]))
    book = Book(
        {},
        atoms=atoms,
        encoder=partial(_encoder, params),
        truth=truth,
        match=None if truth is None else partial(_match, atoms, truth),
        binary_codes=partial(kept.binary_codes, sae, params, source, truth, eps),
        sample_rows=partial(kept.sample_rows, source),
        sample_codes=partial(kept.sample_codes, sae, params, source, eps),
        parts=partial(kept.parts, sae, params, source, eps),
        pool_first=partial(kept.pool_first, sae, params, source, eps),
        labels=jax.tree.map(np.asarray, labels),
        scores_true=jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), scores_true),
        captions=there["captions"],
        speaker=there["speaker"],
    )
    given, refused = _given(book, names)
    streamed = _stream(
        sae, params, source, names, truth=truth, given=given, refused=refused, eps=eps, devices=devices
    )
    book.known |= streamed.sums | {"n": streamed.n, "center": streamed.center}

    rows, matrices = [], {}
    for name, formula in wanted.items():
        notes = [note for part, note in refused.items() if part in closure(formula.arguments)]
        result = book.apply_or_note(formula, note=missing[name] or next(iter(notes), None))
        if isinstance(result, Matrix):
            matrices[name] = result
        else:
            rows += [(name, value) for value in _values(result)]
    return Scores(rows, matrices, streamed.n)


def _values(result: Any) -> list[Value]:
    """A metric's answer as Values; what is not finite is undefined."""
    if isinstance(result, list):
        return [value for part in result for value in _values(part)]
    value = result if isinstance(result, Value) else Value(result)
    if value.value is None:
        return [value if value.note else dataclasses.replace(value, note="undefined")]
    number = float(value.value)
    if not np.isfinite(number):
        return [dataclasses.replace(value, value=None, note="not finite")]
    return [dataclasses.replace(value, value=number)]


def _given(book: Book, names: set[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """({name: value} that statistics read before the first row, {name: note} of those too large)."""
    given, refused = {}, {}
    for name in sorted(set().union(*map(before, names))):
        resting = closure([name]) & (set(STATISTICS) | {"n", "center"})
        if resting:
            raise ValueError(
                f"a statistic needs {name!r}, which itself rests on {', '.join(sorted(resting))}"
            )
        try:
            given[name] = np.asarray(book.get(name))
        except TooLarge as error:
            refused[name] = str(error)
    return given, refused


class Streamed(NamedTuple):
    """What is left of all held-out rows."""

    sums: dict[str, np.ndarray]  # by statistic, float64
    n: int
    center: np.ndarray  # the reference point, float64


def _stream(sae, params, source, names, *, truth, given, refused, eps, devices) -> Streamed:
    """Every statistic among the names over all chunks; one that is too large is noted in `refused`."""
    statistics = [name for name in sorted(names & set(STATISTICS)) if not closure([name]) & set(refused)]
    world, given = to_device((truth, given))
    sums: dict[str, np.ndarray] = {}
    rows, chunk = 0, None
    for chunk in chunks(source, width=len(params["atoms"]), codes=truth is not None):
        if devices is not None:
            x, zt = over_rows((chunk.x, chunk.zt), devices)
            chunk = chunk._replace(x=x, zt=zt)
        seen = (sae, params, chunk, world, given, eps)
        if not rows:
            statistics = _fitting(statistics, refused, seen)
        with jax.default_matmul_precision("highest"):
            parts = _block(*seen, names=tuple(statistics), functions=_functions(statistics))
        rows += len(chunk.x)
        for name, part in zip(statistics, parts, strict=True):
            if name in sums:
                combine = np.maximum if STATISTICS[name].reduce == "max" else np.add
                combine(sums[name], np.asarray(part), out=sums[name])
            else:
                sums[name] = np.array(part, np.float64)
    if chunk is None:
        raise ValueError("score: the source has no held-out rows")
    return Streamed(sums, rows, np.asarray(chunk.center, np.float64))


def _functions(names):
    return tuple(STATISTICS[name].function for name in names)


def _fitting(names, refused, seen):
    """The statistics whose accumulator fits; nothing is computed to find out."""
    with jax.default_matmul_precision("highest"):
        shapes = jax.eval_shape(partial(_block, names=tuple(names), functions=_functions(names)), *seen)
    fits = []
    for name, shape in zip(names, shapes, strict=True):
        try:
            check_table(*shape.shape)
            fits.append(name)
        except TooLarge as error:
            refused[name] = str(error)
    return fits


@partial(jax.jit, static_argnames=("names", "functions"))
def _block(sae, params, chunk, world, given, eps, *, names, functions):
    """Every statistic of one chunk; what no statistic reads is never computed."""
    code = encode(sae, params, chunk.x, chunk.zt)
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    steps = None
    if any("steps" in STATISTICS[name].needs for name in names):
        indices, values = sae.steps(params, chunk.x)
        steps = indices, above(values, lengths[indices], eps)
    batch = Batch(
        x=chunk.x,
        xhat=sae.decode(params, code),
        code=code,
        active=active(code, lengths, eps),
        atoms=params["atoms"],
        center=chunk.center,
        zt=chunk.zt,
        world=world,
        match=given.get("match"),
        steps=steps,
        given=given,
    )
    return [function(batch) for function in functions]


def _encoder(params):
    return np.asarray(params["encoder"], np.float64).T


def _match(atoms, truth):
    return matching.by_cosine(Overlap(atoms, truth.atoms))
