"""Real images, after arXiv 2506.05239: atoms, inference-time sparsity, coherence of what is used together."""

from pathlib import Path

from _image_figures import atoms_figure, coherence_figure, curves_figure, progressive_figure, summary_figure

from mpsae.claim import Claim, Compare
from mpsae.config import Evaluation, Run, Seed
from mpsae.experiment import Experiment
from mpsae.optim import Optim
from mpsae.sae import presets
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.matryoshka import Matryoshka
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.sources.digits import Digits
from mpsae.sources.mnist import Mnist

MNIST = Path("data/mnist_png.npz")  # x_train, x_test; not part of this repository, see the README
STEPS = {"smoke": 300, "quick": 4_000, "full": 20_000}
SEEDS = {"smoke": 2, "quick": 3, "full": 5}
KS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32, 48, 64)
K = {"digits": 5, "mnist": 10}


def contenders(k, steps_per_epoch):
    """Every SAE at one L0, with the same optimiser; MP in our form and in the notebook's."""
    steer = {"controller": "integral", "target_l0": float(k), "l1": 1.0, "control_from": 0.1}
    return {
        "ReLU": ReLU(**steer),
        "TopK": TopK(k=k),
        "BatchTopK": BatchTopK(k=float(k)),
        "Matryoshka": Matryoshka(**steer),
        "MP": MatchingPursuit(k=k),
        "MP dropout": presets()["mp_mnist"].replace(k=k, dropout_steps=float(steps_per_epoch)),
    }


def runs(scale):
    """Digits at every scale; MNIST (1000 atoms, k 10, 10 of the paper's 50 epochs) at full scale."""
    grid = [(Digits(), 256, 1500 // 50, STEPS[scale], SEEDS[scale])]
    if scale == "full" and MNIST.is_file():
        grid.append((Mnist(path=str(MNIST)), 1000, 1000, 10_000, 3))
    return [
        Run(
            source=source,
            sae=sae,
            width=width,
            optim=Optim(steps=steps, batch=50, lr=1e-3),
            seed=Seed.all(seed),
            label=label,
            evaluation=Evaluation(
                ks=KS,
                matrices=("coherence_hist",),
                atoms=48 if source.name == "digits" else 24,
                examples=3 if source.name == "digits" else 0,  # MNIST's own pictures are not kept
            ),
        )
        for source, width, epoch, steps, seeds in grid
        for seed in range(seeds)
        for label, sae in contenders(K[source.name], epoch).items()
    ]


def notes(scale):
    """What is left out of the grid here, and why."""
    return [f"MNIST is left out: no file {MNIST}"] if scale == "full" and not MNIST.is_file() else []


def figures(results):
    """The same five figures for each set of images that has rows."""
    drawn = {}
    for name in dict.fromkeys(row["source"]["name"] for row in results.rows):
        mine = [row for row in results.rows if row["source"]["name"] == name]
        drawn[f"{name}_atoms"] = atoms_figure(results, mine, name)
        drawn[f"{name}_inference_k"] = curves_figure(mine, name, K[name])
        drawn[f"{name}_coherence"] = coherence_figure(results, mine, name)
        drawn[f"{name}_summary"] = summary_figure(mine, name)
        if any(row["metric"] == "examples" for row in mine):
            drawn[f"{name}_progressive"] = progressive_figure(results, mine, name, KS)
    return drawn


def on(source, label, at=None):
    """Rows of one SAE on one set of images, pooled or at a point."""
    return lambda row: row["source"]["name"] == source and row["label"] == label and row["at"] == (at or {})


MAIN = "2506.03093"  # its figures are of vision backbones: the same claims, tried on digits
CLAIMS = tuple(
    claim
    for source, scales in (("digits", {}), ("mnist", {"scales": ("full",)}))
    for claim in (
        Claim(f"{source}: MP's error never rises past its training k", "curve_steps_overshoot",
              on(source, "MP"), high=1e-6, source=f"{MAIN} Fig 8", required=source == "digits",
              about="C7", setting=f"{source}, L0 {K[source]}", **scales),
        Claim(f"{source}: TopK's error rises past its training k", "curve_steps_overshoot",
              on(source, "TopK"), low=1e-3, source=f"{MAIN} Fig 8",
              about="C7", setting=f"{source}, L0 {K[source]}", **scales),
        Claim(f"{source}: at most 1 % of MP's latents are dead", "dead_frac", on(source, "MP"), high=0.01,
              source="2602.14687", about="C8", setting=f"{source}, L0 {K[source]}", **scales),
        *(
            Compare(f"{source}: MP reconstructs better than {label}", "fvu", on(source, "MP"), on(source, label),
                    "lower", source=f"{MAIN} Fig 5", **scales)
            for label in ("ReLU", "TopK", "BatchTopK", "Matryoshka")
        ),
        Compare(f"{source}: MP's dictionary is more coherent than TopK's", "mean_max_cos", on(source, "MP"),
                on(source, "TopK"), "higher", source=f"{MAIN} Fig 17",
                about="C6", setting=f"{source}, L0 {K[source]}", **scales),
        Compare(f"{source}: MP's co-active atoms are less coherent than TopK's", "babel_coactive",
                on(source, "MP", {"r": 1}), on(source, "TopK", {"r": 1}), "lower", source=f"{MAIN} Fig 7",
                about="C6", setting=f"{source}, L0 {K[source]}", **scales),
    )
)  # fmt: skip

EXPERIMENT = Experiment(
    name="digits",
    question="On images of digits, what do the atoms look like, and what does one more atom buy at inference?",
    cost={
        "smoke": "under a minute",
        "quick": "about 3 minutes",
        "full": "about 5 minutes on 2 CPU cores, MNIST an hour",
    },
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    notes=notes,
)
