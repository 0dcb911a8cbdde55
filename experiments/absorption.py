"""Table 1 of arXiv 2506.03093, and what it rests on: absorption against firing variance."""

import matplotlib.pyplot as plt
from _contenders import ALL, BOUNDS, ORDER, PAPER, contenders, optim

from mpsae import plots
from mpsae.claim import Claim, Compare
from mpsae.config import Run, Seed
from mpsae.experiment import Experiment
from mpsae.intervals import interval
from mpsae.sources.tree20 import Tree20

# (child mean, child std) -> the published mean over 15 runs, MP / Matryoshka / Vanilla / BatchTopK;
# None where the paper prints nan: the child was never recovered.
TABLE = {
    (0.1, 1 / 400): (3.6e-3, None, None, None),
    (0.1, 1 / 40): (5.0e-3, None, None, None),
    (0.5, 1 / 400): (7.3e-2, 4.8e-2, 0.70, 0.50),
    (0.5, 1 / 40): (6.2e-2, 9.0e-2, 0.70, 0.54),
    (0.5, 1 / 8): (4.3e-2, 9.6e-2, 0.70, 0.49),
    (1.0, 1 / 400): (0.0013, 0.21, 0.45, 0.48),
    (1.0, 1 / 40): (0.0012, 0.15, 0.45, 0.45),
    (1.0, 1 / 8): (0.0011, 0.21, 0.47, 0.46),
    (1.0, 1 / 4): (0.0011, 0.22, 0.47, 0.42),
}
NAMES = ("MP", "Matryoshka", "ReLU", "BatchTopK")  # "Vanilla" in the paper is ReLU with L1
SPREADS = (0.25, 0.1, 0.05, 0.025, 0.0)
CELLS = {"smoke": [(1.0, 1 / 4)], "quick": [(0.5, 1 / 8), (1.0, 1 / 400), (1.0, 1 / 4)], "full": list(TABLE)}
DIAL = {"smoke": (0.25, 0.0), "quick": (0.25, 0.05, 0.0), "full": SPREADS}
SEEDS = {"smoke": (2, 2), "quick": (3, 3), "full": (15, 10)}
BOUND_NAMES = [bound.name for bound in BOUNDS]
METRIC = "absorb_cos_codes"


def runs(scale):
    """The grid of Table 1 (parents N(1, .25²)) and the dial (every node N(1.5, σ²))."""
    held_out = 100_000 if scale == "full" else 10_000
    cells = [
        (label, Tree20(mean=1.0, std=0.25, child_mean=mean, child_std=std, held_out=held_out), seed)
        for seed in range(SEEDS[scale][0]) for label in PAPER for mean, std in CELLS[scale]
    ]  # fmt: skip
    dial = [
        (label, Tree20(std=spread, child_std=spread, held_out=held_out), seed)
        for seed in range(SEEDS[scale][1]) for label in ALL for spread in DIAL[scale]
    ]  # fmt: skip
    saes = contenders(scale)
    return [
        Run(source=source, sae=saes[label], width=20, optim=optim(scale), seed=Seed.all(seed), label=label)
        for label, source, seed in sorted(cells + dial, key=lambda cell: cell[2])
    ]


def in_cell(label, mean, std):
    """Pooled rows of one SAE in one cell of Table 1."""
    law = {"mean": 1.0, "child_mean": mean, "child_std": std}
    return lambda row: row["label"] == label and row["at"] == {} and law.items() <= row["source"].items()


def on_dial(label, spread):
    """Pooled rows of one SAE at one firing variance."""
    law = {"mean": 1.5, "std": spread, "child_std": spread}
    return lambda row: row["label"] == label and row["at"] == {} and law.items() <= row["source"].items()


def figures(results):
    """Table 1 beside the published one, and the dial with reconstruction beside it."""
    return {"table1": table1(results), "variance_dial": dial_figure(results)}


def table1(results):
    """Ours [95 % interval] and the paper's value, per cell and SAE."""
    shown = [row for row in results.rows if row["metric"] == METRIC and row["source"]["mean"] == 1.0]
    labels = [label for label in plots.labels_of(shown, NAMES) if label not in BOUND_NAMES]
    counts, cells, run_here = set(), [], {cell: TABLE[cell] for cell in CELLS[results.scale]}
    for (mean, std), published in run_here.items():
        paper = dict(zip(NAMES, published, strict=True))
        cells.append([])
        for label in labels:
            found = [row["value"] for row in filter(in_cell(label, mean, std), shown)]
            span = interval(found, reduce="mean")
            counts.add(len(found))
            ours = f"{span.value:.3f} [{span.low:.3f}, {span.high:.3f}]" if span.n else "never recovered"
            missing = f", {span.missing} of {len(found)} nan" if span.n and span.missing else ""
            value = paper.get(label, "-")
            theirs = "nan" if value is None else value if value == "-" else f"{value:.3g}"
            cells[-1].append(f"{ours}{missing}\npaper {theirs}")
    figure, axes = plt.subplots(figsize=(2.6 * len(labels) + 1.6, 1.2 + 0.55 * len(cells)))
    heads = [f"child {mean:g} ± {std:.4g}" for mean, std in run_here]
    plots.table(axes, cells, heads, [f"{n} (Vanilla)" if n == "ReLU" else n for n in labels])
    axes.tables[0].scale(1, 1.6)
    plots.caption(
        figure, "Table 1. Absorption: cosine of the child's atom with the true parent (0 is right), mean of "
        f"{min(counts)} to {max(counts)} runs [95 % bootstrap interval]. Parents N(1, 0.25²); atoms matched by codes; "
        "a child nobody codes for is nan.",
    )  # fmt: skip
    return figure


def dial_figure(results):
    """Absorption, recovery, L0 and reconstruction as the magnitudes lose their variance."""
    rows = [row for row in results.rows if row["at"] == {} and row["source"]["mean"] == 1.5]
    labels = plots.labels_of(rows, ORDER)
    panels = (
        (METRIC, "absorption: cos(child atom, parent)", None),
        ("mcc_signed", "recovery: matched cosine", None),
        ("l0", "L0 (truth 1.36)", None),
        ("fvu", "reconstruction: FVU", 1e-8),
    )
    figure, axes = plt.subplots(1, 4, figsize=(13.5, 3.9))
    for place, (metric, title, floor) in zip(axes, panels, strict=True):
        if floor:
            plots.log_axis(place)
        plots.curve(
            place, (row for row in rows if row["metric"] == metric),
            x=lambda row: row["source"]["std"], labels=labels, floor=floor,
        )  # fmt: skip
        place.set(title=title, xlabel="std of the magnitudes (mean 1.5)")
    axes[0].axhline(0.5**0.5, color="#999999", lw=0.8)
    axes[0].text(0.12, 0.5**0.5 + 0.01, "fully merged child", fontsize=7.5, color="#666666")
    plots.legend(figure, axes[0], columns=9)
    plots.caption(
        figure, "What the claim rests on: absorption as the magnitudes lose their variance (all nodes N(1.5, std²)). "
        f"× marks a seed without a value. Median of up to {plots.seeds(rows)} seeds, band: 95 % bootstrap interval.",
    )  # fmt: skip
    return figure


REACH = {"required": True, "scales": ("full",)}  # numbers stated for full runs


def c1(setting):
    """Bears on C1."""
    return {"about": "C1", "setting": f"tree, {setting}"}


CLAIMS = (
    *(
        Claim(f"MP absorbs {'little' if mean == 0.5 else 'nothing'} at child {mean:g} ± {std:.4g}", METRIC,
              in_cell("MP", mean, std), low=-0.05, high=0.2 if mean == 0.5 else 0.05, source="paper Table 1",
              reduce="mean", **REACH, **c1(f"children {mean:g} ± {std:.4g}"))
        for mean, std in TABLE
    ),
    *(
        Claim(f"{label} at child {mean:g} ± {std:.4g}", METRIC, in_cell(label, mean, std),
              low=value - 0.1, high=value + 0.1, source=f"paper Table 1: {value:g} ± .1", reduce="mean",
              scales=("full",))
        for (mean, std), published in TABLE.items()
        for label, value in zip(NAMES[1:], published[1:], strict=True)
        if value is not None
    ),
    *(
        Claim(f"MP does not absorb at std {spread:g}", METRIC, on_dial("MP", spread), low=-0.02, high=0.02,
              scales=("full",), required=spread == 0.25, **c1(f"all magnitudes 1.5 ± {spread:g}"))
        for spread in (0.25, 0.05, 0.0)
    ),
    Claim("MP absorbs at std 0", METRIC, on_dial("MP", 0.0), low=0.5, **REACH),
    *(
        Compare(f"MP absorbs less than {label} at std {spread:g}", METRIC, on_dial("MP", spread),
                on_dial(label, spread), "lower", source="paper's claim, extended",
                **c1(f"all magnitudes 1.5 ± {spread:g}"))
        for label in ("ReLU", "BatchTopK", "Matryoshka", "TopK")
        for spread in (0.25, 0.05, 0.0)
    ),
)  # fmt: skip

EXPERIMENT = Experiment(
    name="absorption",
    question="When does a child's atom swallow its parent, and does matching pursuit escape it?",
    cost={"smoke": "under a minute", "quick": "about 3 minutes", "full": "about 45 minutes on 2 CPU cores"},
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    bounds=lambda runs: BOUNDS,
    bound_seeds=3,  # no claim here is about a bound, and those of all 15 seeds are 10 MB of rows
)
