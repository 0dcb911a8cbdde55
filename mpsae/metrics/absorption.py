"""What the statistics of absorption count, streamed over samples whose parent is on.

ẑ is the code on unit atoms, m the signed matching, an *edge* a child c with its parent p.
Samples are counted under the child for `count_absorbed`, under the parent for `sum_parent`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import metric, statistic
from mpsae.metrics.hierarchy import by_level

EDGES = 64  # of one sample: more active children than this are not looked at
LATENTS = 256  # of one sample: those of largest |ẑ|
LEAST, CARRY, SOME = 0.025, 0.4, 0.1  # cosine of a full absorber, its share, cosine of a part


@statistic(needs="truth")
def sum_parent(b):
    """[2, 3, P] without, with a child on: rows with the parent on, those with ẑ = 0, Σ ẑ/z*."""
    on = b.zt > 0
    parent = b.world.parent
    children = (
        jnp.zeros(on.shape, bool).at[:, jnp.where(parent >= 0, parent, len(parent))].max(on, mode="drop")
    )
    z = b.matched
    ratio = jnp.where(on, z / jnp.where(on, b.zt, 1.0), 0.0)
    silent = on & (z == 0)
    return jnp.stack(
        [
            jnp.stack([jnp.where(rows, part, 0.0).sum(0) for part in (on, silent, ratio)])
            for rows in (~children, children)
        ]
    )


@statistic(needs="truth")
def count_absorbed(b):
    """[3, P] per child: rows with it and its parent on, those fully absorbed, Σ absorbed fraction."""
    parent = jnp.maximum(b.world.parent, 0)
    on = b.zt > 0
    active = on & on[:, parent] & (b.world.parent >= 0) & (b.match[parent] >= 0)
    real, child = jax.lax.top_k(active.astype(jnp.float32), min(EDGES, active.shape[1]))
    above = parent[child]  # [batch, edge]
    own = b.match[above]

    code = b.on_unit
    _, place = jax.lax.top_k(jnp.abs(code.values), min(LATENTS, code.values.shape[1]))
    z, latent = (jnp.take_along_axis(part, place, axis=1) for part in (code.values, code.latents))
    z, cos = z[:, None, :], _cosines(b.unit, b.world.atoms, latent, above)
    others = latent[:, None, :] != own[:, :, None]
    pushed = jnp.where(others, z * cos, -jnp.inf)

    target = jnp.take_along_axis((b.x - b.world.offset) @ b.world.atoms.T, above, axis=1)
    kept = jnp.take_along_axis(b.matched, above, axis=1)
    main = kept * (b.unit[own] * b.world.atoms[above]).sum(-1)

    best = pushed.argmax(-1, keepdims=True)
    strongest, its_cos = (jnp.take_along_axis(table, best, axis=-1)[..., 0] for table in (pushed, cos))
    full = (kept == 0) & (target >= 0) & (its_cos >= LEAST) & (strongest >= CARRY * target) & (strongest > 0)

    parts = jnp.where(others & (cos >= SOME), jnp.maximum(z * cos, 0.0), 0.0)
    absorbed = jax.lax.top_k(parts, min(3, parts.shape[-1]))[0].sum(-1)
    taken = jnp.minimum(absorbed, target - main)
    share = taken / jnp.where(taken + main > 0, taken + main, 1.0)
    fraction = jnp.where(main <= 0, 1.0, share)
    fraction = jnp.where((main >= target) | (absorbed < CARRY * target), 0.0, fraction)

    sums = jnp.stack([real, real * full, real * fraction])
    return jnp.zeros((3, active.shape[1])).at[:, child].add(sums)


def _cosines(unit, true, latent, above):
    """[batch, edge, latent] cosines of a row's latents with the parents of its edges.

    Looked up in the table of all cosines, or made from the atoms themselves: whichever is smaller.
    """
    if len(unit) * len(true) <= (latent.size + above.size) * unit.shape[1]:
        return (unit @ true.T)[latent[:, None, :], above[:, :, None]]
    return jnp.einsum("bed,bld->bel", true[above], unit[latent])


@metric
def absorb_fire(sum_parent, truth, match):
    """P(ẑ_m(p) = 0 | p on, a child on) - P(ẑ_m(p) = 0 | p on, no child); [-1, 1].

    Pooled over samples and matched parents, and per level of the child; 1 = the
    parent latent falls silent whenever a child speaks. Null if either case never occurs.
    """

    def rise(children):
        rows, silent, _ = sum_parent[:, :, np.unique(truth.parent[children])].sum(2).T
        return None if min(rows) == 0 else silent[1] / rows[1] - silent[0] / rows[0]

    return by_level(truth, matched_parent(truth, match), rise, note="a case never occurs")


@metric
def absorb_mag(sum_parent, truth, match):
    """1 - E[ẑ_m(p)/z*_p | child on] / E[ẑ_m(p)/z*_p | no child]; (-inf, inf), 0 = none.

    The shrunken parent; ẑ on unit atoms; pooled and per level of the child.
    """

    def loss(children):
        rows, _, total = sum_parent[:, :, np.unique(truth.parent[children])].sum(2).T
        return None if min(rows) == 0 or total[0] == 0 else 1 - (total[1] / rows[1]) / (total[0] / rows[0])

    return by_level(truth, matched_parent(truth, match), loss, note="a case never occurs")


@metric
def absorb_full(count_absorbed, truth, match):
    """Share of samples (p on, c on) in which one other latent stands in for the parent's; [0, 1].

    ẑ_m(p) = 0, <x, d_p> >= 0, and the other latent of largest projection ẑ_l C_lp has C_lp >= .025 and
    carries >= .4 of <x, d_p>: SAEBench's full absorption with d_p as the probe; x without the world's offset.
    """
    return by_level(truth, matched_parent(truth, match), lambda c: _share(count_absorbed[:, c], 1))


@metric
def absorb_fraction(count_absorbed, truth, match):
    """Mean over samples (p on, c on) of the part of <x, d_p> carried by other latents; [0, 1].

    A = top 3 positive ẑ_l C_lp with C_lp >= .1, M = ẑ_m(p) C_m(p)p, T = <x, d_p>: 0 if M >= T or
    A < .4 T; 1 if M <= 0; else A'/(A' + M), A' = min(A, T - M). SAEBench's absorption fraction.
    """
    return by_level(truth, matched_parent(truth, match), lambda c: _share(count_absorbed[:, c], 2))


def matched_parent(truth, match):
    """[P] features whose parent has a matched latent."""
    return (truth.parent >= 0) & (match[truth.parent] >= 0)


def _share(counts, row):
    """One count as a share of the samples with child and parent on."""
    samples = counts[0].sum()
    return None if samples == 0 else counts[row].sum() / samples
