"""Figures of the concepts experiment, drawn from rows."""

import matplotlib.pyplot as plt
import numpy as np
from _over_l0 import asked
from _pair_figures import CENTRED, centrings_in, labels_in, seeds_of

from mpsae import plots

READABLE = 0.5  # from here on a factor is in the embeddings: 0 guesses the largest class, 1 is always right
PAIRED = (
    ("concept_auroc", {"side": "image"}, "AUROC, images"),
    ("concept_auroc", {"side": "text"}, "AUROC, texts"),
    ("concept_f1", {"side": "image"}, "F1, images"),
    ("concept_both", {}, "one atom for\nimages and texts"),
)
PLAIN = (
    ("concept_auroc", {"side": "rows"}, "AUROC"),
    ("concept_f1", {"side": "rows"}, "F1"),
    ("concept_latents", {}, "atoms of their own,\nshare of classes"),
)


def factors_of(rows, metric):
    """The factors a metric has rows for and that a line can read from the images or plain rows."""
    found: dict[str, list[float]] = {}
    chance = {row["at"]["factor"]: row["value"] for row in rows if row["metric"] == "concept_chance"}
    for row in rows:
        if row["metric"] == "concept_probe" and row["at"]["of"] == "x" and row["at"]["side"] != "text":
            guessed = chance.get(row["at"]["factor"]) or 0.0
            share = ((row["value"] or 0.0) - guessed) / (1 - guessed) if guessed < 1 else 0.0
            found.setdefault(row["at"]["factor"], []).append(share)
    there = dict.fromkeys(row["at"]["factor"] for row in rows if row["metric"] == metric)
    return [factor for factor in there if np.median(found.get(factor, [1.0])) >= READABLE]


def chosen_k(rows):
    """The smallest L0 of the grid: where an atom has to stand for most."""
    return min({asked(row) for row in rows} - {None})


def dots(place, rows, factors, labels, metric, **where):
    """Median and interval per factor and SAE, factors from top to bottom."""
    for i, factor in enumerate(factors):
        for j, label in enumerate(labels):
            span = plots.interval(
                row["value"]
                for row in rows
                if row["metric"] == metric and row["label"] == label
                and row["at"] == {"factor": factor} | where
            )  # fmt: skip
            if span.n:
                y, look = -i + 0.15 * ((len(labels) - 1) / 2 - j), plots.look(label, labels)
                place.plot([span.low, span.high], [y, y], color=look["color"], lw=3, alpha=0.35)
                place.plot(
                    span.value, y, look["marker"], color=look["color"], ms=4, label=label if i == 0 else None
                )
    place.set(yticks=-np.arange(len(factors)), yticklabels=factors)


def recovered(rows, name):
    """AUROC and F1 of the best atom of each class, per factor, beside the floor of shuffled labels."""
    factors = factors_of(rows, "concept_auroc")
    if not factors:
        return None
    labels, centrings, k = labels_in(rows), centrings_in(rows), chosen_k(rows)
    paired = any(row["metric"] == "concept_both" for row in rows)
    panels = PAIRED if paired else PLAIN
    figure, axes = plt.subplots(
        len(centrings), len(panels), sharey=True, sharex="col", squeeze=False,
        figsize=(1.5 + 2.75 * len(panels), len(centrings) * max(0.42 * len(factors) + 0.5, 1.9) + 1.2),
    )  # fmt: skip
    for i, centring in enumerate(centrings):
        mine = [row for row in rows if row["source"].get("centring") == centring and asked(row) == k]
        for j, (metric, where, title) in enumerate(panels):
            dots(axes[i, j], mine, factors, labels, metric, **where)
            if metric + "_null" in {row["metric"] for row in mine}:
                floor = [
                    np.median([r["value"] for r in mine if r["metric"] == metric + "_null" and r["value"] is not None
                               and r["at"] == {"factor": factor} | where] or [np.nan])
                    for factor in factors
                ]  # fmt: skip
                axes[i, j].plot(
                    floor, -np.arange(len(factors)), "|", color="black", ms=10, label="shuffled labels"
                )
            if i == 0:
                axes[i, j].set_title(title)
        axes[i, 0].set_ylabel(CENTRED[centring])
    plots.legend(figure, axes[0, 0], columns=len(labels) + 1)
    what = "images" if paired else "rows"
    plots.caption(
        figure, f"{name}, L0 {k:g}: how well the best atom of each class tells it, mean over the classes of a factor. "
        f"For AUROC and F1 the atom is chosen on one half of the {what} and scored on the other. Left out: factors of "
        f"which a line, from the {what} themselves, gets less than half of what guessing the largest class leaves. "
        f"Median of {seeds_of(rows)}, 95 % interval.",
    )  # fmt: skip
    return figure


def levels(rows, name):
    """Which factor the live atoms stand for."""
    factors = factors_of(rows, "concept_level_share")
    if not factors:
        return None
    labels, centrings, k = labels_in(rows), centrings_in(rows), chosen_k(rows)
    figure, axes = plt.subplots(1, len(centrings), figsize=(5.2 * len(centrings) + 1, 0.4 * len(factors) + 1.9),
                                sharey=True, sharex=True, squeeze=False)  # fmt: skip
    for place, centring in zip(axes[0], centrings, strict=True):
        mine = [row for row in rows if row["source"].get("centring") == centring and asked(row) == k]
        dots(place, mine, factors, labels, "concept_level_share")
        place.set(title=CENTRED[centring], xlabel="share of live atoms that stand for a class of it")
    plots.legend(figure, axes[0, 0], columns=len(labels))
    plots.caption(
        figure, f"{name}, L0 {k:g}: which factor each live atom tells best. Median of {seeds_of(rows)}, "
        "95 % interval.",
    )  # fmt: skip
    return figure


def chains(rows, name):
    """Kendall's tau of the order along caption chains, against the atoms used."""
    if not any(row["metric"] == "chain_tau_xhat" for row in rows):
        return None
    labels, centrings, k = labels_in(rows), centrings_in(rows), chosen_k(rows)
    figure, axes = plt.subplots(
        1, len(centrings), figsize=(4.6 * len(centrings) + 0.8, 3.9), sharey=True, squeeze=False
    )
    for place, centring in zip(axes[0], centrings, strict=True):
        mine = [row for row in rows if row["source"].get("centring") == centring and asked(row) == k]
        plots.curve(place, (r for r in mine if r["metric"] == "chain_tau_xhat"), x=lambda row: row["at"]["k"],
                    labels=labels)  # fmt: skip
        raw = [row["value"] for row in mine if row["metric"] == "chain_tau_x" and row["value"] is not None]
        if raw:
            place.axhline(
                np.median(raw), color="black", lw=1, ls=(0, (4, 2)), label="the embeddings themselves"
            )
        place.set(title=CENTRED[centring], xlabel="atoms used per caption")
        place.set_xscale("log", base=2)
    axes[0, 0].set_ylabel("Kendall τ of distance from the root\nwith level in the chain")
    plots.legend(figure, axes[0, 0], columns=len(labels) + 1)
    plots.caption(
        figure, f"{name}, L0 {k:g}: does the order of a caption chain, general to specific, show in reconstructions "
        f"of few atoms? Median of {seeds_of(rows)}, band: 95 % interval; 0 = no order.",
    )  # fmt: skip
    return figure


def cones(rows, name):
    """HierarCaps' scores of what is rebuilt, against the atoms used."""
    panels = (
        ("hier_precision", "share of the picked texts\nthat are the image's"),
        ("hier_recall", "share of the image's texts\nthat are picked"),
        ("tau_d", "Kendall τ of distance from\nthe root with level"),
        ("exterior_angle", "angle from the ray to the\nnext text, radians"),
    )
    panels = [panel for panel in panels if any(row["metric"] == panel[0] for row in rows)]
    if not panels:
        return None
    labels, centrings, k = labels_in(rows), centrings_in(rows), chosen_k(rows)
    figure, axes = plt.subplots(
        len(centrings), len(panels), figsize=(3.1 * len(panels), 2.5 * len(centrings) + 1.1), sharex=True,
        sharey="col", squeeze=False,
    )  # fmt: skip
    for i, centring in enumerate(centrings):
        mine = [row for row in rows if row["source"].get("centring") == centring and asked(row) == k]
        for place, (metric, title) in zip(axes[i], panels, strict=True):
            rebuilt = (r for r in mine if r["metric"] == metric and r["at"]["of"] == "xhat")
            plots.curve(place, rebuilt, x=lambda row: row["at"]["k"], labels=labels)
            for of, dashes, label in ((metric, (4, 2), "the embeddings themselves"),
                                      (metric + "_null", (1, 2), "the same, another item's")):  # fmt: skip
                raw = [row["value"] for row in mine if row["metric"] == of and row["at"] == {"of": "x"}
                       and row["value"] is not None]  # fmt: skip
                if raw:
                    place.axhline(np.median(raw), color="black", lw=1, ls=(0, dashes), label=label)
            place.set_xscale("log", base=2)
            if i == 0:
                place.set_title(title)
            if i == len(centrings) - 1:
                place.set_xlabel("atoms used per row")
        axes[i, 0].set_ylabel(CENTRED[centring])
    plots.legend(figure, axes[0, 0], columns=len(labels) + 2)
    plots.caption(
        figure, f"{name}, L0 {k:g}: do captions lie in cones about one root, in reconstructions of few atoms? Each "
        f"image picks the best text within 50 distances from the root. Median of {seeds_of(rows)}, band: 95 % "
        "interval.",
    )  # fmt: skip
    return figure
