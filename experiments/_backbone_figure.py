"""The figure of the backbone experiment, drawn from rows."""

import matplotlib.pyplot as plt
import numpy as np
from _concept_figures import dots
from _pair_figures import labels_in, seeds_of

from mpsae import plots

NAMES = {"scenes": "plain", "scenes_radial": "texts radially tuned", "scenes_cast": "images through CAST"}
FACTORS = ("kind", "hue", "place")


def backbones(rows):
    """A row of panels per backbone: order of reconstructions and codes, and how near an atom's classes are."""
    labels = labels_in(rows)
    figure, axes = plt.subplots(len(NAMES), 4, figsize=(12.5, 8.0), sharex="col", sharey="col")
    for i, (data, name) in enumerate(NAMES.items()):
        mine = [row for row in rows if row["data"] == data]
        for place, of in zip(axes[i, :2], ("xhat", "code"), strict=True):
            plots.curve(
                place,
                (r for r in mine if r["metric"] == "tau_d" and r["at"]["of"] == of),
                x=lambda row: row["at"]["k"],
                labels=labels,
            )
            raw = [
                r["value"] for r in mine if r["metric"] == "tau_d" and r["at"] == {"of": "x"} and r["value"]
            ]
            if raw:
                place.axhline(
                    np.median(raw), color="black", lw=1, ls=(0, (4, 2)), label="the embeddings themselves"
                )
        for place, side in zip(axes[i, 2:], ("image", "text"), strict=True):
            dots(place, mine, FACTORS, labels, "mono1_lift", side=side)
        axes[i, 0].set_ylabel(f"{name}\nKendall τ of distance from\nthe root with level")
    for place, title in zip(
        axes[0], ("reconstructions", "codes", "atoms, on images", "atoms, on texts"), strict=True
    ):
        place.set_title(title)
    for place, what in zip(axes[-1], ("atoms used per caption",) * 2 + ("edges nearer than chance",) * 2,
                           strict=True):  # fmt: skip
        place.set_xlabel(what)
    plots.legend(figure, axes[0, 0], columns=len(labels) + 1)
    plots.caption(
        figure, "scenes, a mean taken off each modality: does a more hierarchical backbone make the order of captions "
        "survive few atoms, and atoms fire on nearer classes? Right: how many edges nearer they are than with labels "
        "shuffled. What CAST changes need not be hierarchy: its images were trained to meet captions that stood "
        f"still. Median of {seeds_of(rows)}, 95 % interval.",
    )  # fmt: skip
    return figure
