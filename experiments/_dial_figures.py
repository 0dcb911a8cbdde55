"""Figures of the dials experiment, drawn from rows."""

import matplotlib.pyplot as plt
import numpy as np
from _dial_cells import LINKS, WIDTH, K, at, on
from _field import BOUNDS, MAIN, ORDER

from mpsae import plots
from mpsae.intervals import interval

# metric, what it says, scale and colours of the map
SHOWN = (
    ("f1_hungarian", "features told\n(F1, one latent each)", (0.0, 1.0), "viridis"),
    ("mcc_signed", "atoms found\n(mean matched cosine)", (0.0, 1.0), "viridis"),
    ("children_own", "children with an\natom of their own", (0.0, 1.0), "viridis"),
    ("absorb_cos_own", "absorption: cosine of\nthese atoms and the\nparent, less the true one", (0.0, 0.7), "magma_r"),
    ("fvu", "error (FVU)", (0.0, 0.6), "magma_r"),
)  # fmt: skip
SIDES = tuple((metric, title) for metric, title, _, _ in SHOWN) + (
    ("uniqueness", "distinct features\n/ latents"),
)
LABELS = (*MAIN, "oracle MP", "random")


def phase(results, first, firsts, second, seconds, first_title, second_title):
    """One map per SAE and score over two dials; None without rows."""
    cells = [{first: a, second: b} for a in firsts for b in seconds]
    found = _medians(results, LABELS, cells)
    if not found:
        return None
    labels = [label for label in LABELS if any(key[0] == label for key in found)]
    figure, axes = plt.subplots(
        len(SHOWN),
        len(labels),
        figsize=(1.55 * len(labels) + 1.6, 9.2),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for i, (metric, title, (low, high), colours) in enumerate(SHOWN):
        for j, label in enumerate(labels):
            grid = [
                [found.get((label, metric, first, a, second, b), np.nan) for a in firsts] for b in seconds
            ]
            place = axes[i, j]
            image = place.imshow(grid, cmap=colours, vmin=low, vmax=high, origin="lower", aspect="auto")
            place.grid(False)
            plots.numbers(place, grid, image)
            place.set_xticks(range(len(firsts)), [_tick(first, a) for a in firsts], rotation=45, fontsize=7.5)
            place.set_yticks(range(len(seconds)), [f"{b:.3g}" for b in seconds])
            if i == 0:
                place.set_title(label)
            if j == 0:
                place.set_ylabel(title)
    figure.supxlabel(first_title, fontsize=10)
    figure.supylabel(second_title, fontsize=10)
    plots.caption(
        figure, f"320 features on 16 trees, every SAE {WIDTH} atoms wide and asked for L0 {K} (true L0 5.4). "
        f"Number: median over seeds, {_seeds_of(results, cells)}. Oracle MP: pursuit on the true dictionary; random: on "
        "random directions. An atom is a child's own if half of its energy lies in the plane of child and parent. "
        "Empty: no data.",
    )  # fmt: skip
    return figure


def over_one(results, **dials):
    """Scores over one dial at a time; None without rows."""
    figure, axes = plt.subplots(len(SHOWN), len(dials), figsize=(10.5, 11), squeeze=False, sharey="row")
    titles = {
        "noise": "noise energy / signal energy",
        "shared_kappa": "shared variation of magnitudes\n(standard deviation / mean, none of their own)",
        "hierarchy": "share of trees in firing",
    }
    drawn = False
    for j, (name, values) in enumerate(dials.items()):
        for i, (metric, title, _, _) in enumerate(SHOWN):
            rows = []
            for value in values:
                turned = {name: value} | ({"kappa": 0.0} if name == "shared_kappa" else {})
                rows += [
                    row for label in LABELS for row in results.rows
                    if row["metric"] == metric and at(label, **turned)(row)
                ]  # fmt: skip
            labels = plots.labels_of(rows, LABELS)
            drawn |= bool(rows)
            plots.curve(axes[i, j], rows, x=lambda row, name=name: row["source"][name], labels=labels)
            if j == 0:
                axes[i, j].set_ylabel(title)
            if i == len(SHOWN) - 1:
                axes[i, j].set_xlabel(titles[name])
    if not drawn:
        return None
    plots.legend(figure, axes[0, 0], columns=8)
    plots.caption(
        figure, f"One dial at a time from 320 features in 64 dimensions. Median of at most {_seeds(results)} seeds, "
        "band: 95 % bootstrap interval. ×: some seed has no value (no child with an atom of its own).",
    )  # fmt: skip
    return figure


def factorial(results):
    """Scores of every SAE by geometry and by firing; None without rows."""
    cells = [(link, share) for share in (1.0, 0.0) for link in LINKS]
    names = {"off": "orthogonal", "aligned": "of the tree", "shuffled": "of other nodes"}
    labels = plots.labels_of(results.rows, (*ORDER, *BOUNDS))
    figure, axes = plt.subplots(len(SHOWN), len(cells), figsize=(14, 12), sharey=True, sharex="row")
    drawn = False
    for j, (link, share) in enumerate(cells):
        for i, (metric, title, _, _) in enumerate(SHOWN):
            place = axes[i, j]
            for y, label in enumerate(reversed(labels)):
                here = at(label, link=link, hierarchy=share)
                span = interval([r["value"] for r in results.rows if r["metric"] == metric and here(r)])
                if span.n:
                    drawn = True
                    colour = "black" if label in BOUNDS else plots.look(label, (*ORDER, *labels))["color"]
                    place.plot([span.low, span.high], [y, y], color=colour, lw=2.2, alpha=0.5)
                    place.plot([span.value], [y], "o", color=colour)
            place.set_yticks(range(len(labels)), reversed(labels))
            if i == 0:
                firing = "fires as a tree" if share else "fires independently"
                place.set_title(f"{firing}\ndirections {names[link]}")
            if j == 0:
                place.set_ylabel(title)
    if not drawn:
        return None
    plots.caption(
        figure, f"Geometry and firing apart: 320 features in 64 dimensions, asked for L0 {K}, true L0 5.4. Directions of "
        "other nodes: the angles of the tree, but between features that do not fire as parent and child or siblings. "
        f"Dot: median of at most {_seeds(results)} seeds, bar: 95 % bootstrap interval. Black: dictionaries nobody "
        "trained.",
    )  # fmt: skip
    return figure


def _medians(results, labels, cells):
    """{(label, metric, dial, value, dial, value): median over seeds} for the cells there are."""
    found = {}
    wanted = {metric for metric, *_ in SHOWN}
    rows = [row for row in results.rows if row["metric"] in wanted and row["label"] in labels]
    for dials in cells:
        here = on(**dials)
        mine = [row for row in rows if here(row)]
        for label in labels:
            right = at(label, **dials)
            for metric in wanted:
                span = interval([row["value"] for row in mine if row["metric"] == metric and right(row)])
                if span.n:
                    found[label, metric, *(part for pair in dials.items() for part in pair)] = span.value
    return found


def _tick(dial, value):
    return f"{WIDTH / value:.2g}x" if dial == "dim" else f"{value:.3g}"


def _seeds_of(results, cells):
    """The seeds of the SAEs in words, where cells have different numbers of them."""
    rows = [row for row in results.rows if row["metric"] == SHOWN[0][0]]
    counts = [sum(map(at(label, **dials), rows)) for dials in cells for label in MAIN]
    there = sorted(count for count in counts if count)
    if not there:
        return "none of an SAE"
    return f"{there[0]}" if there[0] == there[-1] else f"from {there[0]} to {there[-1]}"


def _seeds(results):
    return len({row["seed"]["init"] for row in results.rows if row["label"] in MAIN})
