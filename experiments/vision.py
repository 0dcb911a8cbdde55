"""Two earlier works on SAEs of vision models, on scenes: what they report, tried on rows whose classes are known.

One has ReLU SAEs with an L1 penalty and revives dead latents (VisionMonoSemanticity); the other has 16 and 64
latents a dimension, ghost gradients and a bias that starts at the geometric median (mats_sae_training_for_ViTs).
Each work has one penalty, and so has each here, at which the L0 comes near that of TopK and MP beside them: a
penalty that is steered makes up for every revival, and what a revival costs could not be told. Codes are of images
and captions, scores of images. No two captions are equal here: that repeated texts alone make CLIP's loss fall cannot
be seen.
"""

from _pair_figures import of_each
from _vision_figures import nearness, scatter, scores

from mpsae.claim import Claim, Compare
from mpsae.config import Evaluation, Run, Seed
from mpsae.experiment import Experiment
from mpsae.optim import Optim
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu_ghost import GhostReLU
from mpsae.saes.relu_revive import RevivedReLU
from mpsae.saes.topk import TopK
from mpsae.sources.scenes import Scenes

K = 16
STEPS = {"smoke": 200, "quick": 500, "full": 2_000}
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
BATCH, LR = 512, 1e-3
WIDE, WIDER = 1024, 4096  # 16 and 64 latents a dimension
REVIVED = ("L1, no revival", "L1, drawn anew", "L1, resampled")
GHOSTS = ("ghost, 16x", "ghost, 64x")
SMOKE = ("L1, resampled", "ghost, 16x")
FACTORS = ("kind", "hue", "place")  # the finest of each tree that the images tell


def contenders():
    """(label, SAE, width): the SAEs of both works, and two of today."""
    policies = zip(REVIVED, ("none", "reinit", "resample"), strict=True)
    return [
        *((label, RevivedReLU(l1=0.3, revive=revive), WIDE) for label, revive in policies),
        *((label, GhostReLU(l1=6e-3), width) for label, width in zip(GHOSTS, (WIDE, WIDER), strict=True)),
        ("TopK", TopK(k=K), WIDE),
        ("MP", MatchingPursuit(k=K), WIDE),
    ]


def on(source, scale):
    """The SAEs on one set of pairs. Raises ValueError for pairs without labels."""
    if getattr(source.build(0), "labels", None) is None:
        raise ValueError(f"{source.title} has no labels, and vision is about the classes latents fire on")
    return [
        Run(
            source=source,
            sae=sae,
            width=width,
            optim=Optim(steps=STEPS[scale], batch=BATCH, lr=LR),
            seed=Seed.all(seed),
            label=label,
            evaluation=Evaluation(matrices=("rare_scatter",)),
        )
        for seed in range(SEEDS[scale])
        for label, sae, width in contenders()
        if scale != "smoke" or label in SMOKE
    ]


def runs(scale):
    """Scenes as a small CLIP sees them."""
    return on(Scenes(), scale)


def figures(results):
    """Per set of pairs: the three axes of a latent, a table of scores, and classes of latents and of neurons."""
    return of_each(
        results,
        lambda mine, name: {
            "scatter": scatter(results, mine, name),
            "scores": scores(mine, name),
            "mono": nearness(mine, name, FACTORS),
        },
    )


def at(label, where=None):
    """Rows of one SAE on scenes, pooled or at the point `where`."""
    return lambda row: row["data"] == "scenes" and row["label"] == label and row["at"] == (where or {})


CLAIMS = (
    *(
        Claim(f"{label}: latents fire on nearer classes of {factor} than neurons do", "mono1_gain",
              at(label, {"factor": factor, "side": "image"}), low=0.0, source="VisionMonoSemanticity")
        for label in REVIVED
        for factor in FACTORS
    ),
    *(
        Compare(f"reviving costs reconstruction: {label} against none", "fvu", at(label), at(REVIVED[0]), "higher",
                source="VisionMonoSemanticity")
        for label in REVIVED[1:]
    ),
    *(
        claim
        for label in GHOSTS
        for claim in (
            Claim(f"{label}: rare latents have encoder columns that are all alike", "rare_cos_encoder",
                  at(label, {"latents": "rare"}), low=0.9, source="mats_sae_training_for_ViTs"),
            Claim(f"{label}: more than half of the latents are rare", "rare", at(label),
                  low={GHOSTS[0]: WIDE, GHOSTS[1]: WIDER}[label] / 2, source="mats_sae_training_for_ViTs"),
            Claim(f"{label}: CLIP's loss is lower with x̂ in the place of images, texts distinct",
                  "clip_loss_lost", at(label, {"pairs": "distinct", "batch": 250}), high=0.0,
                  source="mats_sae_training_for_ViTs"),
            Claim(f"{label}: more encoder columns lie along neurons than chance puts there (1 in 20)",
                  "neuron_aligned", at(label, {"alpha": 0.05}), low=0.05, source="mats_sae_training_for_ViTs"),
            Claim(f"{label}: one atom tells an image of ten above chance", "guess_game",
                  at(label, {"side": "image", "m": 1}), low=0.1, source="mats_sae_training_for_ViTs"),
        )
    ),
)  # fmt: skip

EXPERIMENT = Experiment(
    name="vision",
    question="Do L1 and ghost-gradient SAEs on images show what the works that brought them report?",
    cost={"smoke": "under a minute", "quick": "about 4 minutes", "full": "about 25 minutes on one CPU core"},
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    on=on,
)
