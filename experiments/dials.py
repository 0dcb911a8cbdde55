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
from _dial_figures import SIDES, factorial, over_one, phase
from _field import MAIN, RATES, SMOKE, bounds, field
from _field_figures import pareto, rates

from mpsae.claim import Claim, Compare
from mpsae.config import Run, Seed
from mpsae.experiment import Experiment
from mpsae.optim import Optim

PARETO = (3, 8, 12)
STEPS = {"smoke": 200, "quick": 1_000, "full": 4_000}
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
FEWER_SEEDS = {"smoke": 1, "quick": 2, "full": 3}
BATCH = 512


def first(scale):
    """(label, SAE, dials): the main SAEs on geometry x firing, over superposition and over L0, all at one cell."""
    steps, every = STEPS[scale], field(K, STEPS[scale])
    if scale == "smoke":
        return [(label, every[label], {}) for label in SMOKE]
    crossed = [{"link": link, "hierarchy": share} for share in (1.0, 0.0) for link in LINKS]
    cells = [{}, *crossed, *({"dim": dim} for dim in DIMS)]
    plan = [(label, every[label], dials) for dials in cells for label in MAIN]
    ks = PARETO if scale == "full" else ()
    plan += [(label, field(k, steps)[label], {}) for k in ks for label in MAIN]
    return plan + [(label, sae, {}) for label, sae in every.items()]


def lines(scale):
    """(label, SAE, dials): the main SAEs over one dial at a time."""
    if scale == "smoke":
        return main(scale, [{"dim": 320}])
    over = {"noise": NOISES, "hierarchy": HIERARCHIES, "correlation": CORRELATIONS, "kappa": KAPPAS,
            "parent_cosine": ANGLES}  # fmt: skip
    turned = [{dial: value} for dial, values in over.items() for value in values]
    return main(scale, turned + [{"kappa": 0.0, "shared_kappa": shared} for shared in SHARED])


def maps(scale):
    """(label, SAE, dials): the main SAEs over two dials at a time."""
    if scale == "smoke":
        return []
    some = slice(None) if scale == "full" else slice(None, None, 3)
    turned = [{"dim": dim, "correlation": c} for dim in DIMS[some] for c in CORRELATIONS[some]]
    return main(
        scale, turned + [{"kappa": kappa, "parent_cosine": a} for kappa in KAPPAS[some] for a in ANGLES[some]]
    )


def main(scale, cells):
    """The main SAEs on worlds with these dials turned."""
    every = field(K, STEPS[scale])
    return [
        (label, every[label], dials) for dials in cells for label in (SMOKE if scale == "smoke" else MAIN)
    ]


def runs(scale):
    """What the claims rest on, with the most seeds where they rest on it most, then the maps, seed by seed."""
    grid = [
        Run(
            source=world(**dials),
            sae=sae,
            width=WIDTH,
            optim=Optim(steps=STEPS[scale], batch=BATCH),
            seed=Seed.all(seed),
            label=label,
        )
        for plan, seeds in (
            (first(scale), SEEDS[scale]),
            (lines(scale), FEWER_SEEDS[scale]),
            (maps(scale), FEWER_SEEDS[scale]),
        )
        for seed in range(seeds)
        for label, sae, dials in plan
    ]
    return list(dict.fromkeys(grid))  # cells lie on several axes


CLANS = "16 clans of the paper's tree"
HIERARCHY = {  # where hierarchy is asked about: a few words for a reader, and the dials
    f"{CLANS}, no superposition": {"dim": 320},
    f"{CLANS}, superposed 3x": {"dim": 107},
    f"{CLANS}, superposed 5x": {},
    f"{CLANS}, superposed 8x": {"dim": 40},
    "superposed 5x, siblings orthogonal": {"correlation": 0.0},
    "superposed 5x, sibling cosine .6": {"correlation": 0.6},
    "superposed 5x, child-parent cosine .5": {"parent_cosine": 0.5},
    "superposed 5x, magnitudes fixed": {"kappa": 0.0},
    "superposed 5x, magnitudes vary only together": {"kappa": 0.0, "shared_kappa": 1 / 6},
    "superposed 5x, noise of a tenth of the energy": {"noise": 0.1},
    "superposed 5x, fires as trees, directions orthogonal": {"link": "off"},
    "superposed 5x, fires as trees, directions of other nodes": {"link": "shuffled"},
    "superposed 5x, fires independently, directions of trees": {"hierarchy": 0.0},
    "superposed 5x, fires independently, directions orthogonal": {"link": "off", "hierarchy": 0.0},
}
MPS = ("MP", "MP adaptive")
RIVALS = ("ReLU", "BatchTopK", "Matryoshka")
CLAIMS = (
    *(
        Compare(f"{setting}: {mp} has atoms nearer to the true ones than {label}", "mcc_signed", at(mp, **dials),
                at(label, **dials), "higher", source="2506.03093", setting=setting,
                about="C1" if dials.get("hierarchy") != 0 else "")
        for setting, dials in HIERARCHY.items()
        for mp in MPS
        for label in RIVALS
    ),
    *(
        Compare(f"{setting}: {mp} mixes less of the parent into child atoms than {label}", "absorb_cos_own",
                at(mp, **dials), at(label, **dials), "lower", source="2506.03093", setting=setting, about="C1")
        for setting, dials in HIERARCHY.items()
        if "hierarchy" not in dials and "parent_cosine" not in dials  # there less than the true cosine is no better
        for mp in MPS
        for label in RIVALS
    ),
    *(
        Compare(f"320 features in {dim} dimensions: {mp} tells better than {label} which features are on",
                "f1_hungarian", at(mp, dim=dim), at(label, dim=dim), "higher", source="2506.03093",
                about="C2" if dim < WIDTH else "", setting=f"320 features in {dim} dimensions")
        for dim in DIMS
        for mp in MPS
        for label in RIVALS
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
            results, "kappa", KAPPAS, "parent_cosine", ANGLES, "variation of magnitudes (standard deviation / mean)",
            "cosine of child and parent",
        ),
        "noise_and_controls": over_one(results, noise=NOISES, shared_kappa=SHARED, hierarchy=HIERARCHIES),
        "geometry_firing": factorial(results),
        "l0": pareto(results, on(), SIDES, "320 features in 64 dimensions, true L0 5.4"),
        "rates": rates(results),
    }  # fmt: skip
    return {name: figure for name, figure in drawn.items() if figure is not None}


EXPERIMENT = Experiment(
    name="dials",
    question="Which SAE recovers a hierarchy when features are superposed, and which dial decides it?",
    cost={
        "smoke": "about a minute",
        "quick": "about 20 minutes on 2 CPU cores",
        "full": "about 5 hours on 2 CPU cores",
    },
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    bounds=lambda runs: bounds(K),
    bound_seeds=3,  # they hardly vary, and no claim compares one seed by seed
    rates=RATES,
)
