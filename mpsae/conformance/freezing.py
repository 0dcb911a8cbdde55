"""The inference form: registered, uncoupled, independent of state, and the same after a save."""

import tempfile
from pathlib import Path

import numpy as np

from mpsae import saved
from mpsae.conformance.case import DIM, WIDTH, Case, checked, close, demand, finite
from mpsae.sae import REGISTRY, SAE


@checked
def freezes(case: Case) -> None:
    """`freeze` returns a registered variant without coupled rows that needs no state."""
    pair = case.frozen
    demand(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], SAE) and isinstance(pair[1], dict),
        "freeze must return (an SAE, a dict of params)",
    )
    sae, params = pair
    demand(
        REGISTRY.get(sae.name) is type(sae),
        f"freeze returns {type(sae).__name__}, which is not a registered variant",
    )
    demand(
        not sae.couples_batch,
        f"freeze returns {type(sae).__name__}, whose rows are coupled; return a form that codes each row"
        " on its own, such as the threshold variant",
    )
    sae.validate(DIM, WIDTH)
    demand(finite(params), "freeze returns params that are not finite")
    again, same = sae.freeze(params, sae.init_state(params))
    demand(
        close(case.codes(params, case.x, sae), case.codes(same, case.x, again)),
        "freeze of the frozen form changes its codes; they must depend on its params alone",
    )


@checked
def saves(case: Case) -> None:
    """The frozen form codes the same after it was saved and loaded."""
    sae, params = case.frozen
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "sae"
        saved.save(folder, sae, params, dim=DIM, width=WIDTH, trained_on={}, provenance={}, scores=[])
        again, loaded, _ = saved.load(folder)
    demand(
        np.array_equal(case.codes(params, case.x, sae), case.codes(loaded, case.x, again)),
        "the codes differ after save and load: everything they need must be a field or in params",
    )
