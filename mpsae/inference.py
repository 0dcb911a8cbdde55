"""Error against inference-time sparsity: one frozen SAE asked for 1, 2, 4, ... atoms a row."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import numpy as np

from mpsae.book import Book, closure
from mpsae.code import Code
from mpsae.heldout import Source, chunks
from mpsae.metrics import curves as shape
from mpsae.metrics.base import METRICS, STATISTICS, Batch, Value, known_metrics
from mpsae.score import Scores

METRICS_SHOWN = ("nmse", "ev")


def curves(
    sae: Any, params: dict, source: Source, ks: Iterable[int] | None = None, *, trained: int | None = None
) -> Scores:
    """nmse and ev at each k of `ks`: rows `curve_{steps,largest}_{nmse,ev}` with `at` {"k": k}.

    steps: the code of `sae.at_k(k)` (k pursuit steps, the k largest pre-activations), or as
    `largest` for a variant that has none; largest: the k largest of the codes it gives. Then k90,
    overshoot (past `trained`, the k of training) and auc_k. Nested codes are encoded once and cut.
    """
    known_metrics()
    width = len(params["atoms"])
    chosen = shape.grid(min(width, 4 * (trained or 16)), also=trained) if ks is None else sorted(set(ks))
    rows: list[tuple[str, Value]] = []
    for kind, cut in (("steps", _cut(sae)), ("largest", "largest")):
        values, n = _stream(sae, params, source, tuple(chosen), cut)
        for name, points in values.items():
            rows += [(f"curve_{kind}_{name}", Value(value, at={"k": k})) for k, value in points.items()]
        rows.append((f"curve_{kind}_k90", shape.k90(values["ev"])))
        rows.append((f"curve_{kind}_overshoot", shape.overshoot(values["nmse"], trained)))
        rows.append((f"curve_{kind}_auc_k", shape.auc_k(values["ev"])))
    return Scores(rows, {}, n)


def rebuilt(sae: Any, params: dict, x: jax.Array, ks: tuple[int, ...]) -> list[jax.Array]:
    """x̂ [batch, dim] of x at each k, in the sense of `steps`."""
    return [sae.decode(params, code) for code in codes_at(sae, params, x, ks)]


def codes_at(sae: Any, params: dict, x: jax.Array, ks: tuple[int, ...]) -> list[Code]:
    """The code of x at each k, in the sense of `steps`."""
    return CUTS[_cut(sae)](sae, params, x, ks)


def _cut(sae: Any) -> str:
    cut = sae.at_k(1)
    if cut is None:
        return "largest"
    return "nested" if cut.nested else "own"


def _own(sae, params, x, ks):
    return [sae.at_k(k).encode(params, x) for k in ks]


def _nested(sae, params, x, ks):
    return _prefixes(sae.at_k(max(ks)).encode(params, x), ks)


def _largest(sae, params, x, ks):
    return _prefixes(sae.encode(params, x).largest(max(ks)), ks)


def _prefixes(code: Code, ks: tuple[int, ...]) -> list[Code]:
    assert code.indices is not None  # both callers make sparse codes, in their own order
    return [Code(values=code.values[:, :k], indices=code.indices[:, :k], width=code.width) for k in ks]


CUTS = {"own": _own, "nested": _nested, "largest": _largest}


@partial(jax.jit, static_argnames=("ks", "cut", "functions"))
def _block(sae, params, x, center, *, ks, cut, functions):
    batches = [
        Batch(
            x=x,
            xhat=sae.decode(params, code),
            code=code,
            active=code.merged(),
            atoms=params["atoms"],
            center=center,
        )
        for code in CUTS[cut](sae, params, x, ks)
    ]
    return [[function(batch) for function in functions] for batch in batches]


def _stream(sae, params, source, ks, cut):
    """({metric: {k: value}}, rows) over all held-out rows."""
    needed = sorted(
        set().union(*(closure(METRICS[name].arguments) for name in METRICS_SHOWN)) & set(STATISTICS)
    )
    functions = tuple(STATISTICS[name].function for name in needed)
    sums: list[dict[str, np.ndarray]] = [{} for _ in ks]
    rows, center = 0, None
    for x, _, center in chunks(source, width=len(params["atoms"]), codes=False):
        rows += len(x)
        with jax.default_matmul_precision("highest"):
            blocks = _block(sae, params, x, center, ks=ks, cut=cut, functions=functions)
        for total, block in zip(sums, blocks, strict=True):
            for name, part in zip(needed, block, strict=True):
                total[name] = total.get(name, 0.0) + np.asarray(part, np.float64)
    books = [Book(total, n=rows, center=np.asarray(center, np.float64)) for total in sums]
    values = {
        name: {k: _number(book.apply(METRICS[name])) for k, book in zip(ks, books, strict=True)}
        for name in METRICS_SHOWN
    }
    return values, rows


def _number(result: Any) -> float | None:
    return result.value if isinstance(result, Value) else result
