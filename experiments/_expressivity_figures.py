"""Figures of the expressivity experiment, drawn from rows and the matrices they point to."""

import matplotlib.pyplot as plt
from _coherence_figure import NOTE, coherence
from _over_l0 import asked, over_l0
from _pair_figures import CENTRED, labels_in, seeds_of

from mpsae import plots

CONVENTIONS = (
    ("ev", "explained variance\n(about the mean per dimension)"),
    ("r2_scalar", "R² about one scalar mean\n(the paper's convention)"),
    ("ev_uncentred", "1 - error / energy\n(uncentred)"),
    ("eff_rank_gram", "effective rank\nof co-activation"),
)


def conventions(rows, name, centring):
    """Fig 5, 6: every convention of R², and the effective rank, against the measured L0."""
    labels = labels_in(rows)
    figure, axes = plt.subplots(1, len(CONVENTIONS), figsize=(13, 3.9))
    for place, (metric, title) in zip(axes, CONVENTIONS, strict=True):
        for label in labels:
            over_l0(place, rows, metric, label, plots.look(label, labels))
        place.set(title=title, xlabel="L0 on held-out rows")
        place.set_xscale("log", base=2)
    plots.legend(figure, axes[0], columns=len(labels))
    plots.caption(
        figure, f"{name}, {CENTRED[centring]}: what L0 buys. Median of {seeds_of(rows)}, band: 95 % bootstrap "
        "interval. The same reconstructions in three conventions: an offset counts as explained in all but the first.",
    )  # fmt: skip
    return figure


def geometry(results, rows, name, centring):
    """Fig 7, 17: cosines of all pairs, Babel functions, at the L0 of the grid nearest to 4."""
    labels, k = labels_in(rows), min({asked(row) for row in rows} - {None}, key=lambda k: abs(k - 4))
    mine = [row for row in rows if asked(row) == k]
    figure = coherence(results, mine, labels, 1e-6)
    plots.caption(
        figure, f"{name}, {CENTRED[centring]}, trained at L0 {k:g}: coherence. Median of {seeds_of(mine)}, "
        f"band: 95 % interval. {NOTE}",
    )  # fmt: skip
    return figure


def inference(rows, name, centring):
    """Fig 8: error against the k asked for at inference, a column per training L0."""
    labels, ks = labels_in(rows), sorted({asked(row) for row in rows} - {None})
    kinds = (
        ("curve_steps_nmse", "asked for k atoms"),
        ("curve_largest_nmse", "k largest codes it gives"),
    )
    figure, axes = plt.subplots(
        2, len(ks), figsize=(2.7 * len(ks) + 1.6, 5.6), sharex=True, sharey=True, squeeze=False
    )
    for i, (metric, what) in enumerate(kinds):
        for j, k in enumerate(ks):
            plots.curve(
                axes[i, j],
                (row for row in rows if row["metric"] == metric and asked(row) == k),
                x=lambda row: row["at"]["k"],
                labels=labels,
            )
            axes[i, j].axvline(k, color="#999999", lw=0.8)
            axes[i, j].set_xscale("log", base=2)
            if i == 0:
                axes[i, j].set_title(f"trained at L0 {k:g}")
        axes[i, 0].set_ylabel(f"{what}\n‖x - x̂‖² / ‖x‖²")
    plots.log_axis(axes[0, 0])
    for place in axes[-1]:
        place.set_xlabel("k at inference")
    plots.legend(figure, axes[0, 0], columns=len(labels))
    plots.caption(
        figure, f"{name}, {CENTRED[centring]}: what one more atom buys at inference. Median of "
        f"{seeds_of(rows)}, band: 95 % interval, grey line: the L0 of training.",
    )  # fmt: skip
    return figure
