"""Figures of the vision experiment, drawn from rows and the matrices they point to."""

import matplotlib.pyplot as plt
import numpy as np
from _pair_figures import seeds_of

from mpsae import plots
from mpsae.intervals import interval

ORDER = ("L1, no revival", "L1, drawn anew", "L1, resampled", "ghost, 16x", "ghost, 64x", "TopK", "MP")
FACTOR = "kind"  # whose entropy the scatter shows
# (metric, point, title); a table's columns
COLUMNS = (
    ("l0", {}, "L0"),
    ("fvu", {}, "FVU"),
    ("dead_frac", {}, "dead"),
    ("rare", {}, "rare\nlatents"),
    ("rare_cos_encoder", {"latents": "rare"}, "cosine of their\nencoder columns"),
    ("neuron_aligned", {"alpha": 0.05}, "along a neuron\n(chance .05)"),
    ("clip_loss_lost", {"pairs": "distinct"}, "CLIP loss lost,\ntexts distinct"),
    ("guess_game", {"side": "image", "m": 1}, "image told of\nten (chance .1)"),
    ("logit_lens", {"factor": FACTOR}, f"text of its\n{FACTOR} nearest"),
    ("logit_lens_chance", {"factor": FACTOR}, f"the same, {FACTOR}s\nshuffled"),
)  # fmt: skip


def _labels(rows):
    return plots.labels_of(rows, ORDER)


def _values(rows, label, metric, point):
    """One value a seed; where a metric has more in its point than is asked for, any of it."""
    return [
        row["value"] for row in rows
        if row["label"] == label and row["metric"] == metric and point.items() <= row["at"].items()
        and (point or not row["at"])
    ]  # fmt: skip


def scores(rows, name):
    """What the works report, one line per SAE."""
    labels = _labels(rows)
    cells = []
    for label in labels:
        spans = [interval(_values(rows, label, metric, point)) for metric, point, _ in COLUMNS]
        cells.append([f"{s.value:.3g}\n[{s.low:.3g}, {s.high:.3g}]" if s.n else "-" for s in spans])
    figure, axes = plt.subplots(figsize=(13, 0.42 * len(labels) + 1.3))
    plots.table(axes, cells, labels, [title for _, _, title in COLUMNS])
    plots.caption(
        figure, f"{name}: median of {seeds_of(rows)} [95 % bootstrap interval]. Penalties are fixed, so L0 "
        "differs. Rare: fires on less than 1 row in 10,000, here on none of 2000. CLIP loss lost: 0 as with the images "
        "themselves, 1 as with no image, below 0 better than with the images. Nearest text: share of latents "
        "whose atom is nearest to the texts of the class it fires on most.",
    )  # fmt: skip
    return figure


def scatter(results, rows, name):
    """How often, how strongly and on how many classes each latent fires, first seed."""
    factors = sorted({row["at"]["factor"] for row in rows if row["metric"] == "label_entropy"})
    found = {
        row["label"]: results.matrix(row)
        for row in rows
        if row["metric"] == "rare_scatter" and row["array"] and row["seed"]["init"] == 0
    }
    labels = [label for label in _labels(rows) if label in found]
    if not labels or FACTOR not in factors:
        return None
    columns = min(4, len(labels))
    lines = -(-len(labels) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3 * columns + 1, 2.5 * lines + 1.1), sharex=True, sharey=True,
                                squeeze=False)  # fmt: skip
    for place in axes.flat[len(labels) :]:
        place.axis("off")
    for i, (place, label) in enumerate(zip(axes.flat, labels, strict=False)):
        density, strength, *entropies = found[label][0].T
        entropy = entropies[factors.index(FACTOR)]
        fires = np.isfinite(density)
        grey = fires & ~np.isfinite(entropy)
        place.plot(density[grey], strength[grey], ".", color="#bbbbbb", ms=2)
        shown = fires & np.isfinite(entropy)
        dots = place.scatter(density[shown], strength[shown], c=entropy[shown], s=5, cmap="viridis", vmin=0,
                             vmax=np.log(20))  # fmt: skip
        place.set_title(f"{label}: {fires.sum()} of {len(fires)} fire")
        if i % columns == 0:
            place.set_ylabel("log10 mean activation\non its 20 images of most")
        if i >= len(labels) - columns:
            place.set_xlabel("log10 share of images")
            place.tick_params(labelbottom=True)
    figure.colorbar(dots, ax=axes, label=f"entropy of {FACTOR} on these, nats", shrink=0.7)
    plots.caption(
        figure, f"{name}: every latent that fires on held-out images, by how often, how strongly and on how many "
        f"classes of {FACTOR} (dark: one). Grey: fires on fewer than ten images. Seed 0.",
    )  # fmt: skip
    return figure


def nearness(rows, name, factors):
    """Expected distance of two classes that one latent fires on, beside neurons and shuffled labels."""
    labels = _labels(rows)
    factors = [f for f in factors if any(r["metric"] == "mono1" and r["at"]["factor"] == f for r in rows)]
    if not factors:
        return None
    figure, axes = plt.subplots(1, len(factors), figsize=(3.6 * len(factors) + 1, 0.32 * len(labels) + 2), sharey=True,
                                squeeze=False)  # fmt: skip
    for place, factor in zip(axes[0], factors, strict=True):
        point = {"factor": factor, "side": "image"}
        for i, label in enumerate(labels):
            span, look = interval(_values(rows, label, "mono1", point)), plots.look(label, labels)
            if span.n:
                place.plot([span.low, span.high], [-i, -i], color=look["color"], lw=4, alpha=0.35)
                place.plot(span.value, -i, look["marker"], color=look["color"])
            chance = interval(_values(rows, label, "mono1_null", point)).value
            if chance is not None:
                text = "the same latents, labels shuffled" if i == 0 else None
                place.plot(chance, -i, "|", color="black", ms=12, label=text)
        values = [value for label in labels for value in _values(rows, label, "mono1_neurons", point)]
        known = [value for value in values if value is not None]
        if known:
            place.axvline(
                np.median(known), color="black", lw=1, ls=(0, (4, 2)), label="neurons: coordinates of x"
            )
        place.set(
            title=factor, xlabel="edges of the class tree", yticks=-np.arange(len(labels)), yticklabels=labels
        )
    plots.legend(figure, axes[0, 0], columns=2)
    plots.caption(
        figure, f"{name}, images: how far apart in their tree two classes are that one latent fires on (mono1; 0: one "
        "class). A latent that fires on few images has few classes by chance alone. Median of "
        f"{seeds_of(rows)}, bar: 95 % interval.",
    )  # fmt: skip
    return figure
