"""Held-out rows that are kept whole, for metrics that look at single rows or compare them with each other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpsae import tally
from mpsae.code import Code
from mpsae.encoding import active, encode
from mpsae.heldout import Source, first_rows, rows_at_once, to_device
from mpsae.metrics.base import Parts, Side
from mpsae.pairs import split

BINARY = 1000  # samples of the matching by codes
SAMPLE = 256  # rows of the metrics that look at single supports
POOL = 1000  # pairs of the metrics that compare items with each other; of plain rows twice as many


def binary_codes(sae: Any, params: dict, source: Source, truth: Any, eps: float) -> tuple[Any, Any]:
    """(codes of x = b D* + offset, b), both scipy.sparse; b are supports of the first held-out rows."""
    from scipy.sparse import csr_array

    support = (first_rows(source, BINARY, 1) > 0).astype(np.float64)
    x = support @ truth.atoms + truth.offset
    return _both(sae, params, x, support, eps)[0], csr_array(support)


def sample_rows(source: Source) -> np.ndarray:
    """[rows, dim] the first held-out rows."""
    return first_rows(source, SAMPLE, 0).astype(np.float64)


def sample_codes(sae: Any, params: dict, source: Source, eps: float) -> np.ndarray:
    """[rows, p] active codes of the first held-out rows."""
    x, zt = _rows(source, SAMPLE)
    return _both(sae, params, x, zt, eps)[0].toarray()


def parts(sae: Any, params: dict, source: Source, eps: float) -> Parts:
    """The first held-out pairs, or rows that are no pairs, with their active codes and reconstructions."""
    x, zt = _rows(source, 2 * POOL)
    codes, xhat = _both(sae, params, x, zt, eps)
    whole = Side(x.astype(np.float64), xhat.astype(np.float64), codes)
    sides = {"rows": whole}
    if getattr(source, "paired", False):
        image, text = (Side(*rows) for rows in zip(*map(split, whole), strict=True))
        sides = {"image": image, "text": text}
    nothing = Code(values=jnp.zeros((1, len(params["atoms"]))), width=len(params["atoms"]))
    return Parts(sides, np.asarray(sae.decode(params, nothing)[0], np.float64))


def pool_first(sae: Any, params: dict, source: Source, eps: float) -> tuple[Any, Any]:
    """(images, texts) of the pool: the code of the first pursuit step alone, scipy.sparse [N, p]."""
    from scipy.sparse import vstack

    x, width = first_rows(source, 2 * POOL, 0), len(params["atoms"])
    step = rows_at_once(width, x.shape[1])
    parts = [_first(sae, params, to_device(x[i : i + step]), eps) for i in range(0, len(x), step)]
    codes = vstack([tally.to_csr(part) for part in parts], format="csr")
    return codes[0::2], codes[1::2]


def _rows(source, count):
    return first_rows(source, count, 0), None if source.truth is None else first_rows(source, count, 1)


def _both(sae, params, x, zt, eps):
    """(active codes in scipy.sparse, x̂) of a few rows, a bounded number at a time."""
    from scipy.sparse import vstack

    step = rows_at_once(len(params["atoms"]) + (0 if zt is None else zt.shape[1]), x.shape[1])
    codes, rebuilt = [], []
    for i in range(0, len(x), step):
        part = to_device((x[i : i + step], None if zt is None else zt[i : i + step]))
        code, xhat = _encoded(sae, params, *part, eps)
        codes.append(tally.to_csr(code))
        rebuilt.append(np.asarray(xhat))
    return vstack(codes, format="csr"), np.concatenate(rebuilt)


@jax.jit
def _first(sae, params, x, eps):
    indices, values = (part[:, :1] for part in sae.steps(params, x))
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    code = Code(values=values, indices=indices, width=len(params["atoms"]))
    return active(code, lengths, eps)


@jax.jit
def _encoded(sae, params, x, zt, eps):
    code = encode(sae, params, x, zt)
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    return active(code, lengths, eps), sae.decode(params, code)
