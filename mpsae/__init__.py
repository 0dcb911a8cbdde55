"""Which sparse autoencoder recovers which structure? Names are loaded when first used."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpsae.code import Code
    from mpsae.config import Evaluation, Run, Seed
    from mpsae.optim import Optim
    from mpsae.sae import SAE, Context, leaf, static
    from mpsae.saes.batch_topk import BatchTopK
    from mpsae.saes.gated import Gated
    from mpsae.saes.gradient_pursuit import GradientPursuit
    from mpsae.saes.jumprelu import JumpReLU
    from mpsae.saes.lista import Lista
    from mpsae.saes.matryoshka import Matryoshka
    from mpsae.saes.matryoshka_batch_topk import MatryoshkaBatchTopK
    from mpsae.saes.mp import MatchingPursuit
    from mpsae.saes.mp_adaptive import AdaptivePursuit
    from mpsae.saes.omp import OrthogonalPursuit
    from mpsae.saes.relu import ReLU
    from mpsae.saes.threshold import Threshold
    from mpsae.saes.topk import TopK

CONTENTS = {
    "SAE": "mpsae.sae",
    "Code": "mpsae.code",
    "Context": "mpsae.sae",
    "static": "mpsae.sae",
    "leaf": "mpsae.sae",
    "ReLU": "mpsae.saes.relu",
    "TopK": "mpsae.saes.topk",
    "BatchTopK": "mpsae.saes.batch_topk",
    "Threshold": "mpsae.saes.threshold",
    "Matryoshka": "mpsae.saes.matryoshka",
    "MatryoshkaBatchTopK": "mpsae.saes.matryoshka_batch_topk",
    "MatchingPursuit": "mpsae.saes.mp",
    "AdaptivePursuit": "mpsae.saes.mp_adaptive",
    "OrthogonalPursuit": "mpsae.saes.omp",
    "GradientPursuit": "mpsae.saes.gradient_pursuit",
    "JumpReLU": "mpsae.saes.jumprelu",
    "Gated": "mpsae.saes.gated",
    "Lista": "mpsae.saes.lista",
    "Run": "mpsae.config",
    "Seed": "mpsae.config",
    "Evaluation": "mpsae.config",
    "Optim": "mpsae.optim",
}
__all__ = [
    "SAE",
    "AdaptivePursuit",
    "BatchTopK",
    "Code",
    "Context",
    "Evaluation",
    "Gated",
    "GradientPursuit",
    "JumpReLU",
    "Lista",
    "MatchingPursuit",
    "Matryoshka",
    "MatryoshkaBatchTopK",
    "Optim",
    "OrthogonalPursuit",
    "ReLU",
    "Run",
    "Seed",
    "Threshold",
    "TopK",
    "leaf",
    "static",
]


def __getattr__(name: str):
    if name not in CONTENTS:
        raise AttributeError(f"module 'mpsae' has no attribute {name!r}")
    return getattr(importlib.import_module(CONTENTS[name]), name)


def __dir__() -> list[str]:
    return sorted(CONTENTS)
