"""A trained dictionary read by other encoders: is a score owed to the atoms, or to how codes are inferred?"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mpsae.code import Code
from mpsae.metrics.base import Value
from mpsae.norms import sphere
from mpsae.projection import Cut, Projection, calibrated
from mpsae.saes.gradient_pursuit import GradientPursuit
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.omp import OrthogonalPursuit
from mpsae.score import score
from mpsae.source import Source
from mpsae.train import training_rows

METRICS = ("ev", "fvu", "l0", "f1_hungarian", "f1_argmax", "auroc", "absorb_fire")
ROWS = 2**13  # training rows that a threshold is calibrated on
TOL = 1e-3  # a pursuit ends a row there, in units of the root mean square length of x - bias

# (L0, length of a residual that counts as 0) -> an encoder by `atoms` and `bias` alone.
ENCODERS: dict[str, Callable[[float, float], Any]] = {
    "projection": lambda l0, tol: Projection(k=_whole(l0)),
    "threshold": lambda l0, tol: Cut(l0=l0),
    "mp": lambda l0, tol: MatchingPursuit(k=_whole(l0), tol=tol),
    "omp": lambda l0, tol: OrthogonalPursuit(k=_whole(l0), tol=tol),
    "gradient_pursuit": lambda l0, tol: GradientPursuit(k=_whole(l0), tol=tol),
}


def reencodings(
    sae: Any, params: dict[str, Array], source: Source, names: Iterable[str], *, l0: float, seed: int
) -> list[tuple[str, Value]]:
    """`METRICS` of a frozen SAE's dictionary under each encoder, `at` {"encoder": name}.

    l0: what every encoder is asked for: on average by `threshold`, of every row (rounded, at least 1)
    by the others, of which a pursuit ends early once nothing is left. seed: the data seed of the
    training rows that the threshold is calibrated on.
    """
    names = tuple(names)
    rows = training_rows(source, seed, ROWS) if names else np.zeros((0, source.dim))
    return [
        (metric, replace(value, at=value.at | {"encoder": name}))
        for name in names
        for metric, value in score(
            *reencoded(sae, params, name, l0=l0, rows=rows), source, metrics=METRICS
        ).rows
    ]


def reencoded(
    sae: Any, params: dict[str, Array], name: str, *, l0: float, rows: Float[np.ndarray, "n dim"]
) -> tuple[Any, dict[str, Array]]:
    """(encoder, params) of the dictionary of an SAE under `ENCODERS[name]`.

    Atoms are made unit, so that codes are in units of x; the bias is what the SAE decodes from an
    empty code.
    """
    width = len(params["atoms"])
    bias = sae.decode(params, Code(values=jnp.zeros((1, width)), width=width))[0]
    given = {"atoms": sphere(params["atoms"]), "bias": bias}
    tol = TOL * float(np.sqrt(np.square(rows - np.asarray(bias)).sum(1).mean()))
    encoder = ENCODERS[name](l0, tol)
    return encoder, calibrated(encoder, given, rows)


def _whole(l0: float) -> int:
    return max(1, round(l0))
