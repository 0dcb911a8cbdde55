"""Which known factor does each atom stand for, at which level of its tree, and does order show at small k?

On the captioned scenes, or by `--data` on any folder of embeddings with labels, or on plain rows with a table of
labels (`rows.npy:labels=labels.csv`). Up to four figures per set: how well the best atom of each class tells it,
which factor atoms stand for, whether a chain of captions from general to specific keeps its order when it is
rebuilt from few atoms, and whether all chains lie in cones about one root (HierarCaps' scores).
"""

from _concept_figures import chains, cones, levels, recovered
from _pair_figures import CENTRED, of_each
from _pairs import at, grid

from mpsae.claim import Compare
from mpsae.config import Evaluation
from mpsae.experiment import Experiment
from mpsae.sources.scenes import Scenes

KS = {"smoke": (4,), "quick": (4, 16), "full": (4, 8, 16)}
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
CENTRING = ("none", "modality")  # of the claims, which are about pairs


def on(source, scale):
    """Every SAE on one set of pairs or rows. Raises ValueError where nothing is known of them."""
    if not source.centrings:
        raise ValueError(f"{source.title} is no set of pairs or rows of embeddings, which can be centred")
    runs = grid(
        source,
        scale,
        ks=KS[scale],
        seeds=SEEDS[scale],
        centrings=(source.centrings[0], source.centrings[-1]),
        evaluation=Evaluation(ks=(1, 2, 3, 4, 6, 8, 12, 16)),
    )
    if getattr(source.build(0), "labels", None) is None:
        raise ValueError(
            f"{source.title} has no labels, and concepts is about known factors:"
            " plain rows take labels=TABLE.csv, pairs in a file classes=FILE.txt"
        )
    return runs


def runs(scale):
    """Scenes: the only data here whose factors and trees are all known."""
    return on(Scenes(), scale)


def figures(results):
    """Per set of pairs: recovery of every factor, which level atoms stand for, order along chains, cones."""
    return of_each(
        results,
        lambda mine, name: {
            "recovery": recovered(mine, name),
            "levels": levels(mine, name),
            "chains": chains(mine, name),
            "cones": cones(mine, name),
        },
    )


CLAIMS = tuple(
    Compare(f"{centring}, L0 4: MP's best atoms tell {factor} better than {label}'s (AUROC, images)",
            "concept_auroc", at("scenes", "MP", centring, 4, {"factor": factor, "side": "image"}),
            at("scenes", label, centring, 4, {"factor": factor, "side": "image"}), "higher",
            source="2506.03093, its claim", about="C4", setting=f"scenes, L0 4, {CENTRED[centring]}")
    for centring in CENTRING
    for factor in ("domain", "family", "kind", "hue", "place")
    for label in ("ReLU", "TopK", "BatchTopK")
) + tuple(
    Compare(f"{centring}, L0 4: more classes of {factor} have one atom for images and texts in MP than in {label}",
            "concept_both", at("scenes", "MP", centring, 4, {"factor": factor}),
            at("scenes", label, centring, 4, {"factor": factor}), "higher",
            source="2506.03093 Fig 9", about="C5", setting=f"scenes, L0 4, {CENTRED[centring]}")
    for centring in CENTRING
    for factor in ("family", "kind", "hue", "place")
    for label in ("ReLU", "TopK", "BatchTopK")
) + tuple(
    Compare(f"{centring}, L0 4: caption chains keep their order at 2 atoms better in MP than in {label}",
            "chain_tau_xhat", at("scenes", "MP", centring, 4, {"k": 2}), at("scenes", label, centring, 4, {"k": 2}),
            "higher", source="measured")
    for centring in CENTRING
    for label in ("ReLU", "TopK", "BatchTopK")
)  # fmt: skip

EXPERIMENT = Experiment(
    name="concepts",
    question="Which known factor does each atom stand for, at which level of its tree?",
    cost={"smoke": "under a minute", "quick": "about 4 minutes", "full": "about 40 minutes on 2 CPU cores"},
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    on=on,
)
