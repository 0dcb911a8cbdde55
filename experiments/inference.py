"""Is the encoder or the dictionary the bottleneck? Every trained dictionary is read by every encoder.

On the first world of `dials` (a tree in geometry and in firing, superposed) and on SynthSAEBench made smaller
(a tree in firing only). The same encoders read the true dictionary, and a pursuit a random one.
"""

import dataclasses

from _dial_cells import WIDTH, K, world
from _field import RATES, SMOKE, field
from _field_figures import rates
from _inference_figures import TRUE, matrix, reads

from mpsae.claim import Compare
from mpsae.config import Evaluation, Run, Seed
from mpsae.experiment import Experiment
from mpsae.optim import Optim
from mpsae.oracle import Bound
from mpsae.reencoding import ENCODERS
from mpsae.sources.ssb import PRESETS

SSB = dataclasses.replace(PRESETS["ssb8"], held_out=10_000)
STEPS = {"smoke": 100, "quick": 1_000, "full": 4_000}
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
NAMES = tuple(ENCODERS)
TOL = 5e-3  # of a pursuit on the true dictionary, in the units of the worlds: only rounding is below


def settings(scale):
    """(source, width, L0) of every world; in SynthSAEBench four features share an atom."""
    ssb = (SSB, SSB.features // 4, 3)
    return [(world(), WIDTH, K)] if scale == "smoke" else [(world(), WIDTH, K), ssb]


def runs(scale):
    """Every SAE on both worlds, its dictionary read by every encoder."""
    return [
        Run(
            source=source,
            sae=sae,
            width=width,
            optim=Optim(steps=STEPS[scale], batch=512),
            seed=Seed.all(seed),
            label=label,
            evaluation=Evaluation(encoders=NAMES),
        )
        for seed in range(SEEDS[scale])
        for source, width, k in settings(scale)
        for label, sae in field(k, STEPS[scale]).items()
        if scale != "smoke" or label in SMOKE
    ]


def bounds(runs):
    """The true codes, the true dictionary read by every encoder at the L0 of each world, a random one."""
    found = [Bound("oracle codes", "true", None)]
    for k in (K, 3):
        found += [Bound(f"{TRUE} by {name}", "true", ENCODERS[name](k, TOL)) for name in NAMES]
        found += [Bound("random by mp", "random", ENCODERS["mp"](k, TOL))]
    return found


RIVALS = ("ReLU", "TopK", "BatchTopK", "JumpReLU", "Matryoshka")
TITLES = {"dial_S": "superposed trees", "ssb8": "SynthSAEBench/8"}
CLAIMS = (
    *(
        Compare(f"{title}: a pursuit tells features better from {label}'s dictionary than its own encoder",
                "f1_hungarian", reads(data, label, "mp"), reads(data, label, None), "higher", source="2603.28744",
                setting=title)
        for data, title in TITLES.items()
        for label in RIVALS
    ),
    *(
        Compare(f"{title}: one projection on the true dictionary tells features better than {label} trained",
                "f1_hungarian", reads(data, TRUE, "threshold"), reads(data, label, None), "higher",
                source="2603.28744", setting=title)
        for data, title in TITLES.items()
        for label in ("MP", "MP adaptive", "BatchTopK")
    ),
)  # fmt: skip


def figures(results):
    """F1 and error of every dictionary under every encoder, a figure per world."""
    drawn = {f"{data}_matrix": matrix(results, data) for data in TITLES} | {"rates": rates(results)}
    return {name: figure for name, figure in drawn.items() if figure is not None}


EXPERIMENT = Experiment(
    name="inference",
    question="Is the encoder or the dictionary the bottleneck of each SAE?",
    cost={
        "smoke": "about 2 minutes",
        "quick": "about 15 minutes on 2 CPU cores",
        "full": "about an hour on 2 CPU cores",
    },
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    bounds=bounds,
    rates=RATES,
)
