"""The SAEs that meet on the worlds with many features, all asked for the same mean L0."""

from mpsae.oracle import Bound, Projection
from mpsae.sae import presets
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.gated import Gated
from mpsae.saes.jumprelu import JumpReLU
from mpsae.saes.lista import Lista
from mpsae.saes.matryoshka_batch_topk import MatryoshkaBatchTopK
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.omp import OrthogonalPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK

MAIN = ("ReLU", "TopK", "BatchTopK", "JumpReLU", "Matryoshka", "MP")
ORDER = (*MAIN, "MP released", "OMP", "Gated", "LISTA", "MP no revival", "MP dropout", "MP ball")
ORACLES = ("oracle codes", "oracle MP", "oracle top-k", "random")
RATES = (1e-3, 3e-3, 1e-2)


def field(k, steps):
    """Every SAE at one L0. `MP released` drops the unit norm and the revival, as SAELens and others do.

    Those with a penalty are steered to the L0. A latent counts as dead after a tenth of training.
    """
    steered = {"controller": "follow", "target_l0": float(k)}
    window = {"dead_window": steps / 10}
    return {
        "ReLU": ReLU(l1=0.1, control_from=0.1, **steered),
        "TopK": TopK(k=k, **window),
        "BatchTopK": BatchTopK(k=float(k), **window),
        "JumpReLU": JumpReLU(sparsity_loss="count", sparsity=0.1, bandwidth=0.5, start=0.1, **steered),
        "Matryoshka": MatryoshkaBatchTopK(k=float(k), **window),
        "MP": MatchingPursuit(k=k),
        "MP released": presets()["mp_synthsaebench"].replace(k=k),
        "OMP": OrthogonalPursuit(k=k),
        "Gated": Gated(control_from=0.1, **steered),
        "LISTA": Lista(control_from=0.1, **steered),
    }


def forms(k, steps):
    """The forms of MP beside the two of `field`: without revival, with atoms hidden early, as for vision."""
    return {
        "MP no revival": MatchingPursuit(k=k, revive="none"),
        "MP dropout": MatchingPursuit(k=k, dropout=0.75, dropout_steps=steps / 5),
        "MP ball": presets()["mp_paper_vision"].replace(k=k, bias="pre"),
    }


def bounds(k):
    """The truth with its own codes, with a pursuit and with one projection, and a random dictionary."""
    pursuit = MatchingPursuit(k=k, revive="none")
    return (
        Bound("oracle codes", "true", None),
        Bound("oracle MP", "true", pursuit),
        Bound("oracle top-k", "true", Projection(k=k)),
        Bound("random", "random", pursuit),
    )


def asked(row):
    """The L0 that a run was asked for; None for one that has none."""
    return row["fields"].get("target_l0") or row["fields"].get("k")
