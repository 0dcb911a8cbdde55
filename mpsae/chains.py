"""Does a frozen SAE keep the order of caption chains when it may use few atoms?

A chain is one item's texts from the most general (level 0, the root) to the full one. Of each text
at k atoms, ρ = distance to the root of the same chain; a hierarchy in the embedding makes ρ grow
with the level. Kendall's τ-b of ρ against the level is taken within each chain over the levels
below the root, then averaged over chains. With levels in random order its mean is 0 and, over
four levels, its deviation per chain .4907.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mpsae import tally
from mpsae.code import Code
from mpsae.heldout import rows_at_once
from mpsae.inference import codes_at
from mpsae.metrics.base import Value

SAME = 1e-5  # distances of a chain that differ by less of its largest are a tie: float32 rounding
NO_ORDER = "no chain has two distances that differ"
NO_CODE = "no text has an active latent"


def chain_rows(
    sae: Any, params: dict, chains: Float[Array, "items levels dim"], ks: tuple[int, ...]
) -> list[tuple[str, Value]]:
    """Rows of (metric, Value); `count` is the number of chains a mean is over, `at` the {"k": k}.

    chain_tau_x: τ of the embeddings themselves; chain_tau_xhat, chain_tau_code: of x̂ and of the code
    on unit atoms, at k. [-1, 1], 0 = no order; a chain whose distances are all equal is left out.
    chain_nested: share of a text's active latents that the next, more special text has too, mean over
    levels; chain_nested_null: the same against another item's texts. [0, 1].
    chain_first_atom_level: the most general level whose code at k has the first atom of the full text;
    [0, levels - 1], 0 = the root has it already, so what is most general comes first.
    """
    levels = chains.shape[1]
    if levels < 2:
        raise ValueError(f"chains of {levels} level: must have a root and at least one text below it")
    encoded = _encoded(sae, params, chains, tuple(sorted({1, *ks})))
    first = first_atoms(encoded[1].codes, levels)
    rows = [("chain_tau_x", _mean(taus(_to_root(np.asarray(chains, np.float64))), {}, NO_ORDER))]
    for k in sorted(set(ks)):
        codes = encoded[k].codes
        values = {
            "chain_tau_xhat": (taus(encoded[k].distances), NO_ORDER),
            "chain_tau_code": (taus(code_distances(codes, levels)), NO_ORDER),
            "chain_nested": (nested(codes, levels), NO_CODE),
            # Far along, for neighbours may be variations of one item.
            "chain_nested_null": (nested(codes, levels, other=len(chains) // 2), NO_CODE),
            "chain_first_atom_level": (first_level(codes, levels, first), NO_CODE),
        }
        rows += [(name, _mean(found, {"k": k}, note)) for name, (found, note) in values.items()]
    return rows


def taus(distances: Float[np.ndarray, "items levels"]) -> Float[np.ndarray, " items"]:
    """Kendall's τ-b of each row against its places: (up - down) / √(pairs (pairs - ties)); NaN if all tie."""
    levels = distances.shape[1]
    low, high = np.triu_indices(levels, 1)
    rise = distances[:, high] - distances[:, low]
    sign = np.sign(np.where(np.abs(rise) > SAME * distances.max(1, keepdims=True, initial=0.0), rise, 0.0))
    pairs, untied = len(low), (sign != 0).sum(1)
    return sign.sum(1) / np.sqrt(pairs * np.where(untied > 0, untied, np.nan))


def code_distances(codes: Any, levels: int) -> Float[np.ndarray, "items levels-1"]:
    """‖z - z(root)‖ of every text below the root; codes are scipy.sparse [items·levels, p]."""
    root = codes[::levels]
    away = [codes[level::levels] - root for level in range(1, levels)]
    return np.stack([np.sqrt(part.multiply(part).sum(1)) for part in away], axis=1)


def nested(codes: Any, levels: int, *, other: int | None = None) -> Float[np.ndarray, " items"]:
    """|S ∩ S'| / |S| of each text and the next of its chain (or of the one `other` places on), mean over levels.

    Texts without an active latent are left out; NaN where none is left, or the other chain is the same.
    """
    on = (codes != 0).astype(np.float64)
    items = codes.shape[0] // levels
    if other is not None and other % items == 0:
        return np.full(items, np.nan)
    shares = []
    for level in range(levels - 1):
        this, later = on[level::levels], on[level + 1 :: levels]
        if other is not None:
            later = later[(np.arange(items) + other) % items]
        size = this.sum(1)
        shares.append(this.multiply(later).sum(1) / np.where(size > 0, size, np.nan))
    table = np.stack(shares, axis=1)
    defined = np.isfinite(table).sum(1)
    return np.nansum(table, axis=1) / np.where(defined > 0, defined, np.nan)


def first_atoms(codes: Any, levels: int) -> np.ndarray:
    """[items] the latent of the full text's code at k = 1, -1 for an empty code."""
    full = abs(codes[levels - 1 :: levels])
    return np.where(full.sum(1) > 0, np.asarray(full.argmax(axis=1)).ravel(), -1)


def first_level(codes: Any, levels: int, atoms: np.ndarray) -> Float[np.ndarray, " items"]:
    """The first level of each chain whose code has the chain's atom, NaN where none has."""
    rows = np.arange(codes.shape[0]).reshape(-1, levels)
    has = np.asarray(codes[rows.ravel(), np.repeat(atoms, levels)] != 0).reshape(rows.shape)
    has &= (atoms >= 0)[:, None]
    return np.where(has.any(1), has.argmax(1).astype(np.float64), np.nan)


class _AtK(NamedTuple):
    distances: Float[np.ndarray, "items levels-1"]  # of x̂ to that of the root
    codes: Any  # scipy.sparse [items·levels, p], on unit atoms


def _encoded(sae, params, chains, ks):
    """{k: _AtK} of all chains, a bounded number of them at a time."""
    from scipy.sparse import vstack

    items, levels, dim = chains.shape
    lengths = np.linalg.norm(np.asarray(params["atoms"], np.float64), axis=1)
    most = max(1, rows_at_once(len(lengths), dim) // levels)
    step = -(-items // -(-items // most))  # equal parts share one compiled program
    distances, codes = ({k: [] for k in ks} for _ in range(2))
    for start in range(0, items, step):
        part = jnp.asarray(chains[start : start + step], jnp.float32)
        with jax.default_matmul_precision("highest"):
            found = _at_each(sae, params, part.reshape(-1, dim), ks=ks)
        for k, (code, xhat) in zip(ks, found, strict=True):
            distances[k].append(_to_root(np.asarray(xhat, np.float64).reshape(part.shape)))
            codes[k].append((tally.to_csr(code) * lengths[None]).tocsr())
    return {k: _AtK(np.concatenate(distances[k]), vstack(codes[k], format="csr")) for k in ks}


@partial(jax.jit, static_argnames="ks")
def _at_each(sae, params, x, *, ks) -> list[tuple[Code, Array]]:
    return [(code.merged(), sae.decode(params, code)) for code in codes_at(sae, params, x, ks)]


def _to_root(rows: np.ndarray) -> np.ndarray:
    """[items, levels - 1] distance of every row below the root to it."""
    return np.linalg.norm(rows[:, 1:] - rows[:, :1], axis=2)


def _mean(values: np.ndarray, at: dict, note: str) -> Value:
    values = values[np.isfinite(values)]
    if not len(values):
        return Value(None, 0, at, note)
    return Value(float(values.mean()), len(values), at)
