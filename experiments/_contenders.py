"""The SAEs that the tree experiments compare, each in the form and recipe that was published."""

from mpsae.optim import PAPER_TOY
from mpsae.oracle import Bound
from mpsae.projection import Projection
from mpsae.sae import presets
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.topk import TopK

PUBLISHED = presets()
# The four of the paper, then two it does not have: TopK at the nearest whole k, and the same
# pursuit with its atoms put back on the unit sphere after each step.
PAPER = {
    "ReLU": PUBLISHED["relu_paper_toy"],
    "BatchTopK": PUBLISHED["batch_topk_paper_toy"],
    "Matryoshka": PUBLISHED["matryoshka_paper_toy"],
    "MP": PUBLISHED["mp_paper_toy"],
}
ALL = PAPER | {
    "TopK": TopK(k=2, norm="init", centre="none", encoder_init="gaussian", atom_scale=0.1),
    "MP unit norm": PUBLISHED["mp_paper_toy"].replace(norm="project"),
}
BOUNDS = (
    Bound("oracle codes", "true", None),
    Bound("oracle MP", "true", MatchingPursuit(k=20, tol=0.05, on_repeat="stop", revive="none")),
    Bound("oracle top-k", "true", Projection(k=2)),
    Bound("random", "random", MatchingPursuit(k=20, tol=0.05, on_repeat="stop", revive="none")),
)
ORDER = (*ALL, *(bound.name for bound in BOUNDS))
STEPS = {"smoke": 600, "quick": 5_000, "full": 15_000}


def contenders(scale: str):
    """`ALL`, with the one schedule that is stated in steps shortened as training is."""
    share = STEPS[scale] / STEPS["full"]
    early = ALL["BatchTopK"].k_start_steps * share
    return ALL | {"BatchTopK": ALL["BatchTopK"].replace(k_start_steps=early)}


def optim(scale: str):
    """The paper's recipe: 15 000 steps of 200 rows at full scale, fewer below it."""
    return PAPER_TOY.replace(steps=STEPS[scale])
