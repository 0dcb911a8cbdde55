"""When does which SAE recover a hierarchy? Superposition, geometry, firing, variance and noise, one world.

Every cell is a world of 16 clans of the paper's tree. Geometry (cosines of siblings, of child and parent)
and firing (who fires under whom) have a dial each, so that what a claim rests on can be turned off alone.
"""

from _dial_cells import (
    ANGLES,
    CORRELATIONS,
    DIMS,
    HIERARCHIES,
    KAPPAS,
    LINKS,
    NOISES,
    SHARED,
    WIDTH,
    K,
    at,
    on,
    world,
)
from _dial_figures import factorial, lines, phase
from _field import MAIN, RATES, bounds, field
from _field_figures import pareto, rates

from mpsae.claim import Claim, Compare
from mpsae.config import Run, Seed
from mpsae.experiment import Experiment
from mpsae.optim import Optim

PARETO = (3, 8, 12)
STEPS = {"smoke": 200, "quick": 1_000, "full": 2_500}
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
BATCH = 512


def cells(scale):
    """The dials that are turned, a cell each, beside the first: at full scale all."""
    if scale == "smoke":
        return [{"dim": 320}]
    every = slice(None) if scale == "full" else slice(None, None, 3)
    turned = [{"correlation": c, "dim": dim} for dim in DIMS[every] for c in CORRELATIONS[every]]
    turned += [{"kappa": kappa, "parent_cosine": a} for kappa in KAPPAS[every] for a in ANGLES[every]]
    turned += [{"noise": noise} for noise in NOISES]
    turned += [{"kappa": 0.0, "shared_kappa": shared} for shared in SHARED]
    return turned + [{"hierarchy": share} for share in HIERARCHIES]


def runs(scale):
    """All SAEs on the first cell, on geometry x firing and over L0; the main ones on every cell."""
    steps = STEPS[scale]
    every = field(K, steps)
    plan = [(label, sae, {}) for label, sae in every.items()]
    plan += [(label, every[label], dials) for dials in cells(scale) for label in MAIN]
    if scale != "smoke":
        crossed = [{"link": link, "hierarchy": share} for link in LINKS for share in (0.0, 1.0)]
        plan += [(label, sae, dials) for dials in crossed for label, sae in every.items()]
    if scale == "full":
        plan += [(label, sae, {}) for k in PARETO for label, sae in field(k, steps).items()]
    grid = [
        Run(
            source=world(**dials),
            sae=sae,
            width=WIDTH,
            optim=Optim(steps=steps, batch=BATCH),
            seed=Seed.all(seed),
            label=label,
        )
        for seed in range(SEEDS[scale])
        for label, sae, dials in plan
    ]
    return list(dict.fromkeys(grid))  # cells lie on several axes


CLANS = "16 clans of the paper's tree"
HIERARCHY = {  # where hierarchy is asked about: a few words for a reader, and the dials
    f"{CLANS}, no superposition": {"dim": 320},
    f"{CLANS}, 3x superposed": {"dim": 107},
    f"{CLANS}, 5x superposed": {},
    f"{CLANS}, 8x superposed": {"dim": 40},
    "5x superposed, siblings orthogonal": {"correlation": 0.0},
    "5x superposed, sibling cosine .6": {"correlation": 0.6},
    "5x superposed, child-parent cosine .5": {"parent_cosine": 0.5},
    "5x superposed, magnitudes fixed": {"kappa": 0.0},
    "5x superposed, magnitudes vary only together": {"kappa": 0.0, "shared_kappa": 1 / 6},
    "5x superposed, noise of a tenth of the energy": {"noise": 0.1},
    "geometry off, firing in trees": {"link": "off"},
    "geometry of other nodes, firing in trees": {"link": "shuffled"},
    "geometry of trees, independent firing": {"hierarchy": 0.0},
    "geometry off, independent firing": {"link": "off", "hierarchy": 0.0},
}
RIVALS = ("ReLU", "BatchTopK", "Matryoshka")
CLAIMS = (
    *(
        Compare(f"MP {what} than {label}", metric, at("MP", **dials), at(label, **dials), expect,
                source="2506.03093", about="C1", setting=setting)
        for setting, dials in HIERARCHY.items()
        for metric, expect, what in (
            ("absorb_cos_excess", "lower", "mixes less of the parent into its child atoms"),
            ("mcc_signed", "higher", "has atoms nearer to the true ones"),
        )
        for label in RIVALS
    ),
    *(
        Compare(f"MP {what} than {label}", metric, at("MP", dim=dim), at(label, dim=dim), expect,
                source="2506.03093", about="C2", setting=f"320 features in {dim} dimensions")
        for dim in DIMS
        for metric, expect, what in (
            ("f1_hungarian", "higher", "tells better which features are on"),
            ("fvu", "lower", "reconstructs better"),
        )
        for label in RIVALS
    ),
    *(
        Compare("the true dictionary, read by a pursuit of as many steps, reconstructs better than MP", "fvu",
                at("oracle MP", dim=dim), at("MP", dim=dim), "lower", source="C3 implies it", about="C3",
                setting=f"320 features in {dim} dimensions")
        for dim in DIMS
    ),
    *(
        Claim(f"the true dictionary and codes score {metric} {value:g}", metric, at("oracle codes"),
              low=value - 1e-5, high=value + 1e-5, required=True, source="by definition")
        for metric, value in (("mcc_signed", 1.0), ("f1_hungarian", 1.0), ("fvu", 0.0))
    ),
)  # fmt: skip


def figures(results):
    """Maps over two dials, curves over one, geometry x firing, what L0 buys, and the rates chosen."""
    drawn = {
        "superposition_correlation": phase(
            results, "dim", DIMS, "correlation", CORRELATIONS, "superposition", "cosine of siblings"
        ),
        "variance_angle": phase(
            results, "kappa", KAPPAS, "parent_cosine", ANGLES, "variance of magnitudes",
            "cosine of child and parent",
        ),
        "noise_and_controls": lines(results, noise=NOISES, shared_kappa=SHARED, hierarchy=HIERARCHIES),
        "geometry_firing": factorial(results),
        "l0": pareto(results, on(), "320 features in 64 dimensions, true L0 5.4"),
        "rates": rates(results),
    }  # fmt: skip
    return {name: figure for name, figure in drawn.items() if figure is not None}


EXPERIMENT = Experiment(
    name="dials",
    question="Which SAE recovers a hierarchy when features are superposed, and which dial decides it?",
    cost={
        "smoke": "about a minute",
        "quick": "about 20 minutes on 2 CPU cores",
        "full": "about 3 hours on 2 CPU cores",
    },
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    bounds=bounds(K),
    rates=RATES,
)
