"""Figures of the image experiments, drawn from rows and the matrices they point to."""

import matplotlib.pyplot as plt
import numpy as np
from _coherence_figure import NOTE, coherence

from mpsae import plots

ORDER = ("ReLU", "TopK", "BatchTopK", "Matryoshka", "MP", "MP dropout")


def stored(results, rows, label, metric):
    """The matrices of one SAE, in the order of the seeds."""
    found = [row for row in rows if row["label"] == label and row["metric"] == metric and row["array"]]
    return [results.matrix(row) for row in sorted(found, key=lambda row: row["seed"]["init"])]


def tile(images, columns):
    """Rows of square images as one picture, a blank line between them, each on its own scale."""
    side = int(round(images.shape[1] ** 0.5))
    lines = -(-len(images) // columns)
    sheet = np.full((lines * (side + 1) - 1, columns * (side + 1) - 1), np.nan)
    for i, image in enumerate(images):
        top, left = (i // columns) * (side + 1), (i % columns) * (side + 1)
        size = np.abs(image).max()
        sheet[top : top + side, left : left + side] = image.reshape(side, side) / (size if size > 0 else 1.0)
    return sheet


def atoms_figure(results, rows, name):
    """The atoms that carry the most energy, per SAE, first seed."""
    labels = [label for label in plots.labels_of(rows, ORDER) if stored(results, rows, label, "atoms")]
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4))
    for place in axes.flat:
        place.axis("off")
    for place, label in zip(axes.flat, labels, strict=False):
        plots.heat(place, tile(stored(results, rows, label, "atoms")[0], 8), title=label)
        place.set_aspect("equal")
    plots.caption(figure, f"{name}: the atoms with the most energy, largest first (red +, blue -); seed 0")
    return figure


def curves_figure(rows, name, k):
    """Error against the sparsity asked for at inference, for SAEs trained at one k."""
    labels = plots.labels_of(rows, ORDER)
    panels = (
        ("curve_steps_nmse", "asked for k atoms (steps, pre-activations or codes)"),
        ("curve_largest_nmse", "only the k largest of the codes it gives"),
    )
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
    for place, (metric, title) in zip(axes, panels, strict=True):
        plots.curve(
            place,
            (row for row in rows if row["metric"] == metric),
            x=lambda row: row["at"]["k"],
            labels=labels,
        )
        plots.log_axis(place)
        place.set_xscale("log", base=2)
        place.axvline(k, color="#999999", lw=0.8)
        place.set(title=title, xlabel=f"k at inference (trained at {k}: grey line)")
    axes[0].set_ylabel("normalised error ‖x - x̂‖² / ‖x‖²")
    plots.legend(figure, axes[0], columns=6)
    plots.caption(
        figure, f"{name}: what one more atom buys at inference. Median of {plots.seeds(rows)} seeds, "
        "band: 95 % bootstrap interval",
    )  # fmt: skip
    return figure


def coherence_figure(results, rows, name):
    """How correlated the atoms are, over the whole dictionary and among those active together."""
    figure = coherence(results, rows, plots.labels_of(rows, ORDER), 1e-7)
    plots.caption(
        figure, f"{name}: coherence. Median of {plots.seeds(rows)} seeds, band: 95 % interval. {NOTE}"
    )
    return figure


def summary_figure(rows, name):
    """Reconstruction beside what it costs: L0, dead atoms, agreement between seeds."""
    labels = plots.labels_of(rows, ORDER)
    panels = (("fvu", "FVU"), ("l0", "L0 on held-out data"), ("dead_frac", "share of dead atoms"),
              ("mean_max_cos", "mean of nearest-atom cosines"), ("stability", "agreement with seed 0"))  # fmt: skip
    missed = {
        label for label in labels
        if any(not within(row["value"]) for row in rows if row["label"] == label and row["metric"] == "l0_miss")
    }  # fmt: skip
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 3.4), sharey=True)
    for place, (metric, title) in zip(axes, panels, strict=True):
        for i, label in enumerate(reversed(labels)):
            found = [row["value"] for row in rows if row["label"] == label and row["metric"] == metric]
            span = plots.interval(found)
            colour = plots.look(label, labels)["color"]
            if span.n:
                place.plot(
                    [span.low, span.high], [i, i], color=colour, lw=4, alpha=0.35, solid_capstyle="butt"
                )
                place.plot(
                    span.value, i, "o", color=colour, markerfacecolor="white" if label in missed else colour
                )
        place.set(title=title, yticks=range(len(labels)), yticklabels=labels[::-1])
    plots.caption(
        figure, f"{name}: median of {plots.seeds(rows)} seeds (dot) and 95 % bootstrap interval (bar). Hollow: the L0 "
        "on held-out data is more than 2 % off its target, so the FVU is not at equal sparsity.",
    )  # fmt: skip
    return figure


def within(miss, tolerance=0.02):
    """Whether a measured L0 met its target."""
    return miss is not None and abs(miss) <= tolerance


def progressive_figure(results, rows, name, ks):
    """Held-out images rebuilt with more and more atoms, per SAE."""
    labels = [label for label in plots.labels_of(rows, ORDER) if stored(results, rows, label, "examples")]
    shown = [k for k in (1, 2, 3, 5, 8, 12, 20, 32) if k in ks]
    figure, axes = plt.subplots(len(labels), 3, figsize=(12.5, 0.72 * len(labels) + 0.5), squeeze=False)
    for i, label in enumerate(labels):
        for j, steps in enumerate(stored(results, rows, label, "examples")[0][:3]):
            images = np.stack([steps[0], *(steps[1 + ks.index(k)] for k in shown)])
            axes[i, j].imshow(
                tile(images, len(images)), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest"
            )
            axes[i, j].axis("off")
        axes[i, 0].set_title(label, loc="left", pad=2)
    plots.caption(
        figure, f"{name}: three held-out images (leftmost of each strip) rebuilt with k = "
        f"{', '.join(map(str, shown))} atoms at inference",
    )  # fmt: skip
    return figure
