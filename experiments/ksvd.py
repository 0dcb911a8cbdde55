"""K-SVD beside SAEs at equal L0 (arXiv 2505.18441): what does solving for the atoms buy, and what does it cost?"""

import dataclasses

from _ksvd_figures import table

from mpsae.claim import Compare
from mpsae.config import Run, Seed
from mpsae.experiment import Experiment
from mpsae.optim import Optim
from mpsae.saes.ksvd import KSVD
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.sources.dial import PRESETS
from mpsae.sources.digits import TRAIN, Digits
from mpsae.sources.scenes import Scenes

STEPS = {"smoke": 200, "quick": 2_000, "full": 10_000}
UPDATES = {"smoke": 10, "quick": 40, "full": 80}  # of K-SVD on all rows at once
SEEDS = {"smoke": 2, "quick": 3, "full": 5}
BATCH = 128
SMOKE = ("TopK", "K-SVD", "K-SVD online")  # enough to see that everything runs
# (source, its rows, atoms, L0, learning rate of the SAEs)
PLACES = (
    (dataclasses.replace(PRESETS["dial_XS"], held_out=10_000), TRAIN, 20, 2, 3e-3),
    (Digits(), TRAIN, 256, 5, 1e-3),
    (Scenes(centring="modality"), 6_000, 128, 5, 1e-3),
)


def plans(rows, k, rate, scale):
    """(label, SAE, optimiser): SAEs and online K-SVD see the same batches, K-SVD proper all rows at once.

    The tree has rows without end: K-SVD proper sees as many new ones in every update as there are digits.
    """
    small = Optim(steps=STEPS[scale], batch=BATCH, lr=rate)
    large = Optim(steps=UPDATES[scale], batch=rows)
    at_once = {"k": k, "dead_window": 1.0}
    return [
        ("ReLU", ReLU(l1=0.1, controller="settle", target_l0=float(k), control_from=0.1), small),
        ("TopK", TopK(k=k, dead_window=STEPS[scale] / 10), small),
        ("MP", MatchingPursuit(k=k), small),
        ("K-SVD", KSVD(solver="block", **at_once), large),
        ("K-SVD, OMP codes", KSVD(solver="block", coder="omp", **at_once), large),
        ("K-SVD online", KSVD(k=k), small),
        ("K-SVD online, codes >= 0", KSVD(k=k, select="relu_max"), small),
    ]


def runs(scale):
    """The paper's tree, where the truth is known, digits, and scenes as a small CLIP sees them."""
    return [
        Run(source=source, sae=sae, width=width, optim=optim, seed=Seed.all(seed), label=label)
        for source, rows, width, k, rate in PLACES
        for seed in range(SEEDS[scale])
        for label, sae, optim in plans(rows, k, rate, scale)
        if scale != "smoke" or label in SMOKE
    ]


def at(data, label):
    """Pooled rows of one SAE on one source."""
    return lambda row: row["data"] == data and row["label"] == label and row["at"] == {}


CLAIMS = tuple(
    claim
    for data in ("dial_XS", "digits", "scenes")
    for claim in (
        *(
            Compare(f"{data}: {mine} reconstructs better than {label}", "fvu", at(data, mine), at(data, label),
                    "lower", source="2505.18441")
            for mine in ("K-SVD", "K-SVD online")
            for label in ("ReLU", "TopK", "MP")
        ),
        Compare(f"{data}: online K-SVD agrees more between seeds than MP", "stability", at(data, "K-SVD online"),
                at(data, "MP"), "higher"),
    )
)  # fmt: skip


def figures(results):
    """One table per source."""
    names = dict.fromkeys(row["data"] for row in results.rows)
    return {f"{name}_table": table(results, name) for name in names}


EXPERIMENT = Experiment(
    name="ksvd",
    question="At equal L0, does K-SVD reconstruct and recover better than SAEs, and in what time?",
    cost={"smoke": "under a minute", "quick": "about 3 minutes", "full": "about 10 minutes on one CPU core"},
    runs=runs,
    claims=CLAIMS,
    figures=figures,
)
