"""Does a text encoder keep the order of text chains? Any encoder: a language model's states, an SAE's codes on them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from mpsae.chains import taus
from mpsae.cones import exterior_angles, radius


def chain_order(
    chains: Sequence[Sequence[str]], embed: Callable[[Sequence[str]], Any], *, root: str = ""
) -> dict[str, float]:
    """{tau_d, exterior_angle} of the rows `embed` gives chains of texts, the most general first; means over chains.

    tau_d: Kendall's τ-b of a text's distance to the row of `root` with its level; [-1, 1], 0 = no order.
    exterior_angle: between the ray from the root and the step to the next text; radians, [0, π], 0 = a
    straight line. NaN where no chain has two distances that differ, or no text differs from the next.

    `embed` is asked once, for all distinct texts and the root: texts [n] to rows [n, d], dense or
    scipy.sparse. Raises ValueError for chains of fewer than two texts or of different lengths, and where it gives
    anything but a row for each text. Source: HierarCaps (arXiv 2407.08521).
    """
    if any(isinstance(chain, str) for chain in chains):
        raise ValueError("chains of letters: must be a list of chains, each a list of texts")
    lengths = {len(chain) for chain in chains}
    if len(lengths) != 1 or min(lengths) < 2:
        raise ValueError(f"chains of {sorted(lengths)} texts: must all have the same number, at least 2")
    said = list(dict.fromkeys([root, *(text for chain in chains for text in chain)]))
    rows = embed(said)
    rows = csr_array(rows) if issparse(rows) else np.asarray(rows)
    if rows.ndim != 2 or rows.shape[0] != len(said):
        raise ValueError(f"embed gave an array {rows.shape} for {len(said)} texts: must be a row for each")
    number = {text: row for row, text in enumerate(said)}
    at = np.array([[number[text] for text in chain] for chain in chains])
    angles = exterior_angles(rows[at[:, :-1].ravel()], rows[at[:, 1:].ravel()], rows[:1])
    return {"tau_d": _mean(taus(radius(rows, rows[:1])[at])), "exterior_angle": _mean(angles)}


def _mean(values):
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
