"""Does a more hierarchical backbone give more hierarchical reconstructions and more monosemantic atoms?

The same scenes three times: as the small CLIP embeds them; with its text tower radially tuned (arXiv 2407.08521),
which puts the captions of a chain on a ray, the images being the same rows; and with images through a CAST (arXiv
2210.00314), which merges superpixels into ever coarser segments, the captions being the same rows. That CAST was
also trained to meet captions that stood still, as the CLIP's images were not: what it changes need not be hierarchy.
"""

from _backbone_figure import backbones
from _pairs import at, grid

from mpsae.claim import Claim, Compare
from mpsae.config import Evaluation
from mpsae.experiment import Experiment
from mpsae.sources.scenes import BACKBONES, Scenes

K = 4
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
CENTRING = "modality"  # else the gap between the modalities, which tuning changes too, is what is compared
LABELS = ("ReLU", "TopK", "MP")


def runs(scale):
    """Every SAE on every backbone."""
    evaluation = Evaluation(ks=(1, 2, 3, 4, 6, 8))
    cells = [
        run
        for backbone in BACKBONES
        for run in grid(Scenes(backbone=backbone), scale, ks=(K,), seeds=SEEDS[scale], centrings=(CENTRING,),
                        evaluation=evaluation)
    ]  # fmt: skip
    return [run for run in cells if run.label in LABELS]


def figures(results):
    """Order and monosemanticity on each."""
    return {"backbone": backbones(results.rows)}


def against(backbone, metric, label, where, expect, text):
    """Another backbone's value of one SAE against the plain one's."""
    other, plain = (at(data, label, CENTRING, K, where) for data in (f"scenes_{backbone}", "scenes"))
    return Compare(f"{label}: {text}", metric, other, plain, expect, source="measured")


CLAIMS = (
    *(
        Claim(f"{data}, {label}: the captions themselves are in order", "tau_d",
              at(data, label, CENTRING, K, {"of": "x"}), low=0.95)
        for data in ("scenes", "scenes_radial")
        for label in LABELS
    ),
    *(
        against("radial", "exterior_angle", label, {"of": "xhat", "k": k}, "lower",
                f"captions rebuilt from {k} atoms lie nearer to a ray on the tuned backbone")
        for k in (2, K)
        for label in LABELS
    ),
    *(
        against("radial", "tau_d", label, {"of": of, "k": k}, "higher",
                f"{what} of {k} atoms keep the order better on the tuned backbone")
        for of, what in (("xhat", "reconstructions"), ("code", "codes"))
        for k in (2, K)
        for label in LABELS
    ),
    *(
        against(backbone, "mono1_lift", label, {"factor": factor, "side": side}, "higher",
                f"atoms fire on classes of {factor} that are nearer, by more above chance, on {name} ({side}s)")
        for backbone, name in (("radial", "the tuned backbone"), ("cast", "CAST"))
        for factor in ("kind", "hue", "place")
        for side in ("image", "text")
        for label in LABELS
    ),
)  # fmt: skip

EXPERIMENT = Experiment(
    name="backbone",
    question="Does a more hierarchical backbone give more monosemantic atoms?",
    cost={"smoke": "under a minute", "quick": "about 3 minutes", "full": "about 5 minutes on one CPU core"},
    runs=runs,
    claims=CLAIMS,
    figures=figures,
)
