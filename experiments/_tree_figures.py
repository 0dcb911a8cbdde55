"""Figures of the tree experiments, drawn from rows and the matrices they point to."""

import jax
import matplotlib.pyplot as plt
import numpy as np
from _contenders import ORDER

from mpsae import plots
from mpsae.source import world_key
from synthetic.trees import tree20

LINES = {"color": "#999999", "lw": 0.5}
BLOCKS = (4, 8, 12)  # where one parent's block ends and the next begins


def matrix(results, label, metric, where):
    """One stored matrix per seed, in the order of the seeds."""
    found = [
        row for row in results.rows
        if row["label"] == label and row["metric"] == metric and row["array"] and where(row)
    ]  # fmt: skip
    return [results.matrix(row) for row in sorted(found, key=lambda row: row["seed"]["init"])]


def having(results, metric, where):
    """The labels that have such a matrix, plug-ins after the known ones."""
    return plots.labels_of(
        [row for row in results.rows if row["metric"] == metric and row["array"] and where(row)], ORDER
    )


def square(axes, values, title=""):
    """A 20 x 20 heatmap with the blocks of the three families marked."""
    image = plots.heat(axes, values, title=title)
    for edge in BLOCKS:
        axes.axhline(edge - 0.5, **LINES)
        axes.axvline(edge - 0.5, **LINES)
    axes.set_aspect("equal")
    return image


def dictionaries(results, c):
    """Fig 4A: learned atoms against each other (top) and the truth (bottom), first seed; None without rows."""
    labels = having(results, "gram", at_correlation(c))
    if not labels:
        return None
    figure, axes = plt.subplots(2, len(labels) + 1, figsize=(2.0 * (len(labels) + 1), 4.9))
    truth = true_gram(c)
    square(axes[0, 0], truth, "truth")
    axes[1, 0].axis("off")
    axes[1, 0].text(
        0.02, 0.5, "rows: features 0-19\n(0, 4, 8 are parents,\n1-3, 5-7, 9-11 their\nchildren, 12-19 leaves)",
        va="center", fontsize=8, transform=axes[1, 0].transAxes,
    )  # fmt: skip
    for column, label in enumerate(labels, 1):
        square(axes[0, column], matrix(results, label, "gram", at_correlation(c))[0], label)
        image = square(axes[1, column], matrix(results, label, "cross_gram_codes", at_correlation(c))[0])
    axes[0, 1].set_ylabel("learned · learned")
    axes[1, 1].set_ylabel("learned · true")
    figure.colorbar(image, ax=axes[:, -1], shrink=0.6, label="cosine")
    plots.caption(
        figure, f"Fig 4A. Recovered dictionaries at sibling correlation {c} (seed 0). Red off the truth's own "
        "blocks, in a child's row and its parent's column, is absorption.",
    )  # fmt: skip
    return figure


def sweep_curves(results):
    """Fig 4B, C and what they leave out: reconstruction, L0, absorption, recovery."""
    panels = (
        ("flat_mse", "Flat MSE (same level)", 1e-8),
        ("hier_mse", "Hierarchical MSE (across levels)", 1e-8),
        ("absorb_cos_codes", "absorption: cos(child atom, parent)", None),
        ("mcc_signed", "recovery: matched cosine", None),
        ("fvu", "reconstruction: FVU", 1e-8),
        ("l0", "L0 (truth 1.36)", None),
    )
    rows = [row for row in results.rows if row["source"]["name"] == "tree20" and row["at"] == {}]
    labels = plots.labels_of(rows, ORDER)
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), sharex=True)
    for place, (metric, title, floor) in zip(axes.flat, panels, strict=True):
        if floor:
            plots.log_axis(place)
        plots.curve(
            place, (row for row in rows if row["metric"] == metric),
            x=lambda row: row["source"]["correlation"], labels=labels, floor=floor,
        )  # fmt: skip
        place.set_title(title)
    for place in axes[1]:
        place.set_xlabel("sibling correlation")
    axes[1, 2].axhline(1.36, color="black", lw=0.7)
    plots.legend(figure, axes[0, 0], columns=5)
    plots.caption(
        figure, "Fig 4B, C and beyond. Lower is better for both MSEs, absorption and FVU; higher for recovery. "
        f"Median of {plots.seeds(rows)} seeds, band: 95 % bootstrap interval, "
        "×: a seed without a value. Values below 1e-8 are drawn at 1e-8.",
    )  # fmt: skip
    return figure


def truth_figure():
    """Fig 11: the true Gram at four correlations, and the codes of 100 samples."""
    figure, axes = plt.subplots(1, 5, figsize=(12.5, 3.1), width_ratios=(1, 1, 1, 1, 1.6))
    for place, c in zip(axes, (0.0, 0.3, 0.6, 0.9), strict=False):
        image = square(place, true_gram(c), f"correlation {c}")
    _, codes = tree20(world_key(0)).sample(jax.random.key(0), 100)
    plots.heat(axes[4], np.asarray(codes), limit=2.5, title="true codes: 100 samples x 20 features")
    figure.colorbar(image, ax=axes[3], shrink=0.7, label="cosine")
    plots.caption(
        figure, "Fig 11. The truth: siblings correlate, a child is orthogonal to its parent at every setting."
    )
    return figure


def runs_side_by_side(results, where, title):
    """Figs 12-16: a column per SAE, up to four runs, atoms above codes; None without rows."""
    labels = having(results, "cross_gram_codes", where)
    if not labels:
        return None
    grams = {label: matrix(results, label, "cross_gram_codes", where) for label in labels}
    codes = {label: matrix(results, label, "reference_codes", where) for label in labels}
    count = max(map(len, grams.values()))
    figure, axes = plt.subplots(
        2 * count, len(labels), figsize=(2.0 * len(labels), 3.4 * count + 0.6), squeeze=False,
        height_ratios=(1, 0.62) * count,
    )  # fmt: skip
    for j, label in enumerate(labels):
        for i in range(len(grams[label]), count):  # a SAE with fewer runs than another
            axes[2 * i, j].axis("off")
            axes[2 * i + 1, j].axis("off")
        for i, (gram, code) in enumerate(zip(grams[label], codes[label], strict=True)):
            image = square(axes[2 * i, j], gram, label if i == 0 else "")
            plots.heat(axes[2 * i + 1, j], code.T, limit=2.5)
    for i in range(count):
        axes[2 * i, 0].set_ylabel(f"run {i}\nlearned · true")
        axes[2 * i + 1, 0].set_ylabel("features x\nsamples")
    figure.colorbar(image, ax=axes[::2, -1], shrink=0.5, label="cosine")
    plots.caption(
        figure, f"{title}. Squares: cosine of the matched atoms (rows) with the true ones (columns); a perfect run "
        "repeats the true Gram of Fig 11. Below each: codes of 100 held-out samples, white 0 to red 2.5.",
    )  # fmt: skip
    return figure


def at_correlation(c):
    """Whether a row is of the tree at this correlation."""
    return lambda row: row["source"].get("correlation") == c


def true_gram(c):
    """The Gram of the true atoms."""
    atoms = np.asarray(tree20(world_key(0), correlation=c).atoms)
    return atoms @ atoms.T
