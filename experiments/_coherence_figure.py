"""How correlated the atoms are, over the whole dictionary and among those active together."""

import matplotlib.pyplot as plt
import numpy as np

from mpsae import plots

BINS = np.linspace(-1, 1, 201)
BABEL = (
    ("babel", "Babel function, whole dictionary"),
    ("babel_coactive", "Babel function, atoms active together"),
)
NOTE = "Co-active values depend on how many atoms are active: compare at equal L0 only."


def coherence(results, rows, labels, least):
    """Cosines of all pairs, shares from `least` up, and Babel functions; the caller adds the caption."""
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 4.2))
    for label in labels:
        found = [
            results.matrix(row)
            for row in rows
            if row["metric"] == "coherence_hist" and row["label"] == label and row["array"]
        ]
        if found:
            share = np.sum(found, axis=0) / np.sum(found)
            colour = plots.look(label, labels)["color"]
            axes[0].step((BINS[:-1] + BINS[1:]) / 2, np.maximum(share, least), color=colour, lw=1.1)
    plots.log_axis(axes[0])
    axes[0].set(title="cosines of all pairs of atoms", xlabel="cosine", ylabel="share of pairs")
    for place, (metric, title) in zip(axes[1:], BABEL, strict=True):
        plots.curve(
            place,
            (row for row in rows if row["metric"] == metric),
            x=lambda row: row["at"]["r"],
            labels=labels,
        )
        place.set_xscale("log")
        plots.log_axis(place)
        place.set(title=title, xlabel="r (largest sum of r cosines)")
    plots.legend(figure, axes[1], columns=len(labels))
    return figure
