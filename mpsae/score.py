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

from mpsae import match as matching
from mpsae import tally
from mpsae.book import Book, absent, before, closure
from mpsae.bounds import TooLarge, check_table
from mpsae.code import Code
from mpsae.heldout import Source, chunks, first_rows, rows_at_once, to_device
from mpsae.metrics import base
from mpsae.metrics.base import STATISTICS, Batch, Matrix, Truth, Value
from mpsae.overlap import Overlap
from mpsae.registry import pick

BINARY = 1000  # samples of the matching by codes
SAMPLE = 256  # rows kept for metrics that look at single supports


class Scores(NamedTuple):
    """Rows to be: (metric, Value), the arrays, and the number of samples they rest on."""

    rows: list[tuple[str, Value]]
    matrices: dict[str, Matrix]
    n: int

    def value(self, name: str, at: dict[str, float] | None = None) -> float | None:
        """The value of a metric at a point of its curve ({} = the pooled one)."""
        for row, value in self.rows:
            if row == name and value.at == (at or {}):
                return value.value
        there = [value.at for row, value in self.rows if row == name]
        raise ValueError(f"no score {name!r} at {at or {}}: there are {there}")


def score(
    sae: Any, params: dict, source: Source, *, metrics: Sequence[str] | None = None, eps: float = 0.0
) -> Scores:
    """Every requested metric (default: all known) of a frozen SAE on the held-out rows of a source.

    What needs truth, pursuit steps or a smaller table is null with a note. A code of at
    most `eps` on a unit atom counts as inactive (0 keeps all; 1e-3 in Tree SAE; a pursuit
    without tolerance needs it, or its steps on rounding error count); x̂ keeps every code.
    """
    known = base.known_metrics()
    wanted = {name: pick(known, name, "metric") for name in (known if metrics is None else metrics)}
    truth = None if source.truth is None else Truth.of(source.truth)
    atoms = np.asarray(params["atoms"], np.float64)
    if not np.isfinite(atoms).all():
        raise ValueError("score: params['atoms'] holds values that are not finite")
    lacks = {
        name for name, there in (("truth", truth), ("steps", getattr(sae, "steps", None))) if there is None
    }

    missing = {name: absent(formula.arguments, lacks) for name, formula in wanted.items()}
    names = set().union(*(closure(f.arguments) for name, f in wanted.items() if not missing[name]))
    book = Book(
        {},
        atoms=atoms,
        truth=truth,
        match=None if truth is None else partial(_match, atoms, truth),
        binary_codes=partial(_binary_codes, sae, params, source, truth, eps),
        sample_codes=partial(_sample_codes, sae, params, source, eps),
    )
    given, refused = _given(book, names)
    streamed = _stream(sae, params, source, names, truth=truth, given=given, refused=refused, eps=eps)
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


def _stream(sae, params, source, names, *, truth, given, refused, eps) -> Streamed:
    """Every statistic among the names over all chunks; one that is too large is noted in `refused`."""
    statistics = [name for name in sorted(names & set(STATISTICS)) if not closure([name]) & set(refused)]
    world, given = to_device((truth, given))
    sums: dict[str, np.ndarray] = {}
    rows, chunk = 0, None
    for chunk in chunks(source, width=len(params["atoms"]), codes=truth is not None):
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
    code = _encode(sae, params, chunk.x, chunk.zt)
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    steps = None
    if any("steps" in STATISTICS[name].needs for name in names):
        indices, values = sae.steps(params, chunk.x)
        steps = indices, _above(values, lengths[indices], eps)
    batch = Batch(
        x=chunk.x,
        xhat=sae.decode(params, code),
        code=code,
        active=_active(code, lengths, eps),
        atoms=params["atoms"],
        center=chunk.center,
        zt=chunk.zt,
        world=world,
        match=given.get("match"),
        steps=steps,
        given=given,
    )
    return [function(batch) for function in functions]


@jax.jit
def _codes(sae, params, x, zt, eps):
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    return _active(_encode(sae, params, x, zt), lengths, eps)


def _active(code, lengths, eps):
    """The code with its repeats merged, and 0 where at most eps on a unit atom."""
    code = code.merged()
    return code.replace(values=_above(code.values, tally.of_latent(code, lengths), eps))


def _above(values, lengths, eps):
    return jnp.where(jnp.abs(values) * lengths <= eps, 0.0, values)


def _encode(sae, params, x, zt) -> Code:
    """The oracle reads the true codes; nothing else ever sees them."""
    given = getattr(sae, "encode_true", None)
    return sae.encode(params, x) if given is None else given(params, x, zt)


def _match(atoms, truth):
    return matching.by_cosine(Overlap(atoms, truth.atoms))


def _encoded(sae, params, x, zt, eps):
    """The active codes of a few rows as a scipy.sparse array in float64."""
    from scipy.sparse import vstack

    step = rows_at_once(len(params["atoms"]) + (0 if zt is None else zt.shape[1]), x.shape[1])
    parts = [
        _codes(sae, params, *to_device((x[i : i + step], None if zt is None else zt[i : i + step])), eps)
        for i in range(0, len(x), step)
    ]
    return vstack([tally.to_csr(part) for part in parts], format="csr")


def _binary_codes(sae, params, source, truth, eps):
    """Codes of x = b D* + offset, b the supports of the first held-out rows, and b."""
    from scipy.sparse import csr_array

    support = (first_rows(source, BINARY, 1) > 0).astype(np.float64)
    x = support @ truth.atoms + truth.offset
    return _encoded(sae, params, x, support, eps), csr_array(support)


def _sample_codes(sae, params, source, eps):
    zt = None if source.truth is None else first_rows(source, SAMPLE, 1)
    return _encoded(sae, params, first_rows(source, SAMPLE, 0), zt, eps).toarray()
