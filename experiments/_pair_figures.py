"""Figures of the experiments on pairs, drawn from rows and the matrices they point to."""

import matplotlib.pyplot as plt
import numpy as np
from _over_l0 import asked
from _pairs import CENTRINGS, ORDER

from mpsae import plots

CENTRED = {
    "none": "rows as they are",
    "global": "one mean taken off",
    "modality": "a mean taken off each modality",
}


def of_each(results, draw):
    """The figures of every set of pairs, {data_what: Figure}; `draw(rows, data)` gives {what: Figure or None}."""
    drawn = {}
    for name in dict.fromkeys(row["data"] for row in results.rows):
        mine = [row for row in results.rows if row["data"] == name]
        drawn |= {f"{name}_{what}": figure for what, figure in draw(mine, name).items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def labels_in(rows):
    """The SAEs of the rows, in the order of every figure; plug-ins last."""
    return [label for label in plots.labels_of(rows, ORDER) if label not in plots.BOUND_DASHES]


def centrings_in(rows):
    """The centrings of the rows, in order."""
    return [c for c in CENTRINGS if any(row["source"].get("centring") == c for row in rows)]


def seeds_of(rows):
    """How many seeds, in words."""
    count = plots.seeds(rows)
    return f"{count} seed" + "s" * (count != 1)


def missed(rows, label, centring):
    """Whether some run of an SAE is more than 2 % off the L0 it was asked for."""
    mine = [
        row
        for row in rows
        if row["label"] == label and row["source"].get("centring") == centring and row["metric"] == "l0"
    ]
    wanted = [(row["value"], asked(row)) for row in mine if asked(row)]
    return any(found is None or abs(found / k - 1) > 0.02 for found, k in wanted)


def stored(results, rows, label, centring, metric):
    """The matrices of one SAE at one centring, in the order of the seeds."""
    found = [
        row
        for row in rows
        if row["metric"] == metric and row["label"] == label and row["array"]
        and row["source"].get("centring") == centring
    ]  # fmt: skip
    return [results.matrix(row) for row in sorted(found, key=lambda row: row["seed"]["init"])]


def histograms(results, rows, name):
    """Fig 9 below, Fig 19: how many atoms, and how much energy, at each modality score."""
    labels, centrings = labels_in(rows), centrings_in(rows)
    figure, axes = plt.subplots(
        len(centrings), len(labels), figsize=(2.3 * len(labels) + 0.6, 1.75 * len(centrings) + 1.1),
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    middle = (np.arange(50) + 0.5) / 50
    for i, centring in enumerate(centrings):
        for j, label in enumerate(labels):
            atoms = stored(results, rows, label, centring, "modality_hist_linear")
            energy = stored(results, rows, label, centring, "modality_hist_energy")
            if atoms:
                axes[i, j].bar(middle, np.mean(atoms, 0), width=0.02, color="#B8C4D0", label="share of atoms")
            if energy:
                axes[i, j].step(
                    middle, np.mean(energy, 0), where="mid", color="#D55E00", lw=1.2, label="share of energy"
                )
            axes[i, j].set(title=label if i == 0 else "", xticks=(0, 0.5, 1))
        axes[i, 0].set_ylabel(CENTRED[centring].replace(" taken", "\ntaken"))
    for place in axes[-1]:
        place.set_xlabel("text only ← score → image only")
    plots.legend(figure, axes[0, 0], columns=2)
    plots.caption(
        figure, f"{name}: modality score of the atoms, mean over {seeds_of(rows)}. Bars: live atoms by their "
        "linear score E z(image) / (E z(image) + E z(text)). Line: energy by the squared score. Mass near ½ is "
        "shared by images and texts.",
    )  # fmt: skip
    return figure


def maps(results, rows, name):
    """Fig 9 above: where the codes of images and texts lie; None where no run kept a map."""
    labels, centrings = labels_in(rows), centrings_in(rows)
    if not any(
        stored(results, rows, label, centring, "code_map") for label in labels for centring in centrings
    ):
        return None
    figure, axes = plt.subplots(
        len(centrings), len(labels), figsize=(2.3 * len(labels) + 0.4, 2.2 * len(centrings) + 0.9),
        squeeze=False,
    )  # fmt: skip
    for i, centring in enumerate(centrings):
        for j, label in enumerate(labels):
            axes[i, j].set(xticks=[], yticks=[], title=label if i == 0 else "")
            axes[i, j].grid(False)
            for places in stored(results, rows, label, centring, "code_map")[:1]:
                for part, colour, marker, what in zip(
                    places, ("#0072B2", "#E69F00"), "o^", ("images", "texts"), strict=True
                ):
                    axes[i, j].scatter(
                        *part.T, s=7, color=colour, marker=marker, lw=0, alpha=0.75, label=what
                    )
        axes[i, 0].set_ylabel(CENTRED[centring].replace(" taken", "\ntaken"))
    plots.legend(figure, axes[0, 0], columns=2)
    plots.caption(
        figure, f"{name}: t-SNE of the codes of up to 120 held-out pairs by cosine, seed 0. Only whether the colours mix "
        "means something; distances and shapes do not.",
    )  # fmt: skip
    return figure


def steps_figure(rows, name):
    """What each step of a pursuit takes: energy, and how shared its atoms are."""
    mine = [row for row in rows if row["label"].startswith("MP")]
    if not mine:
        return None
    labels, centrings = labels_in(mine), centrings_in(mine)
    panels = (("step_energy", "share of the energy"), ("step_bimodality", "how shared: 1 - 2|score - ½|"))
    figure, axes = plt.subplots(2, len(centrings), figsize=(3.4 * len(centrings) + 0.6, 5.2), squeeze=False,
                                sharex=True, sharey="row")  # fmt: skip
    for i, (metric, title) in enumerate(panels):
        for j, centring in enumerate(centrings):
            plots.curve(
                axes[i, j],
                (r for r in mine if r["metric"] == metric and r["source"].get("centring") == centring),
                x=lambda row: row["at"]["step"],
                labels=labels,
            )
            if i == 0:
                axes[i, j].set_title(CENTRED[centring])
        axes[i, 0].set_ylabel(title)
    for place in axes[-1]:
        place.set_xlabel("step of the pursuit")
    plots.legend(figure, axes[0, 0], columns=len(labels))
    plots.caption(
        figure, f"{name}: what the steps of a pursuit take, median of {seeds_of(rows)}. Where rows are not "
        "centred, a step that codes the common offset is shared by everything and means no shared concept.",
    )  # fmt: skip
    return figure


PANELS = (
    ("fvu", {}, "FVU"),
    ("l0", {}, "L0"),
    ("energy_bimodal", {}, "energy in\nshared atoms"),
    ("energy_unclassified", {}, "energy in atoms\ntoo rare to tell"),
    ("intervene_r1", {"keep": "all", "to": "text"}, "R@1 of\nreconstructions"),
    ("delta_r", {"keep": "not_unimodal", "to": "text"}, "R@1 lost without\nunimodal atoms"),
    ("retrieval_code", {"k": 1, "to": "text"}, "R@1 of codes"),
    ("probe_acc", {"of": "code"}, "modality probe\non codes"),
    ("modality_recovery", {}, "error of the\nmodality score"),
)


def summary(rows, name):
    """Reconstruction beside every cross-modal score, at each centring; bounds below the SAEs."""
    labels, centrings = plots.labels_of(rows, ORDER), centrings_in(rows)
    shown = [p for p in PANELS if any(row["metric"] == p[0] and row["value"] is not None for row in rows)]
    figure, axes = plt.subplots(1, len(shown), figsize=(1.62 * len(shown) + 1.3, 0.52 * len(labels) + 2.0),
                                sharey=True, squeeze=False)  # fmt: skip
    shades = {"none": "o", "global": "s", "modality": "^"}
    for place, (metric, where, title) in zip(axes[0], shown, strict=True):
        for i, label in enumerate(reversed(labels)):
            for j, centring in enumerate(centrings):
                span = plots.interval(
                    row["value"]
                    for row in rows
                    if row["metric"] == metric and row["at"] == where and row["label"] == label
                    and row["source"].get("centring") == centring
                )  # fmt: skip
                if span.n:
                    y, look = i + 0.22 * (1 - j), plots.look(label, labels)["color"]
                    place.plot(
                        [span.low, span.high], [y, y], color=look, lw=3.5, alpha=0.35, solid_capstyle="butt"
                    )
                    bound = label in plots.BOUND_DASHES
                    face = "white" if not bound and missed(rows, label, centring) else look
                    place.plot(span.value, y, shades[centring], color=look, markerfacecolor=face, ms=4.5)
        place.set(title=title, yticks=range(len(labels)), yticklabels=labels[::-1])
    marks = [plt.Line2D([], [], marker=shades[c], color="#444444", lw=0, label=CENTRED[c]) for c in centrings]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))
    plots.caption(
        figure, f"{name}: median of {seeds_of(rows)} and 95 % bootstrap interval. Shared: modality score "
        "from .05 to .95; an atom with fewer than 20 activations is too rare to tell. Hollow: the L0 on held-out rows is "
        "more than 2 % off its target. Black: dictionaries that nobody trained.",
    )  # fmt: skip
    return figure
