"""The world of SynthSAEBench (arXiv 2602.14687): many features on a forest, with correlated gates."""

from typing import Any

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import ndtr, ndtri

from synthetic.apart import pushed_apart
from synthetic.forest import Forest, one_above_zero
from synthetic.places import places
from synthetic.ssb_recipe import Recipe
from synthetic.words import normal, uniform, words

AT_ONCE = 2**21  # numbers per array of `marginals`
ROWS = {"cpu": 64}  # drawn at a time: arrays of more leave the cache
WIDE = 1024  # on other devices, where a small block costs as much as a large one
SLOTS = 2  # open tops per row followed at a time; a block that has more takes another turn
HIGHEST = jax.lax.Precision.HIGHEST
COMMON = 2**12  # points of the common causes: marginals to .5 %, their sum to .05 % (measured)
LEAST_OWN = 0.01  # share of a gate's variance that is always its own


class SsbWorld(struct.PyTreeNode):
    """Features in `atoms`, gates with common causes, and the law of x = z D + offset.

    Gate i is open when F_i · ε + own_i η_i > threshold_i, with ε of `rank` normal numbers common to
    all features and η_i normal. An open gate gives max(0, size_mean + size_std N(0, 1)). A feature
    of the forest is 0 where its parent is, else its value times that of its parent / size_mean of
    the parent; of siblings above 0 one is kept, each with the same probability.

    Given ε gates are independent, so gate i is open where a uniform number is below
    Φ((F_i · ε - threshold_i) / own_i), and what decides nothing is not drawn: all gates of the tops
    (roots and lone features) are, sizes where one is open, children where their parent is on.
    Siblings exclude each other, so below an open top there is one path. How finely numbers are
    drawn is in `synthetic.words`: gates to 2^-32, sizes to 2^-24, both as probabilities.

    A row is a function of (world, key, its number) alone, so shorter samples begin longer ones.
    Memory beyond the world and what is asked for: 11 MB at 16384 x 768 on a CPU (measured).
    Codes come dense, 66 MB for 1000 rows. Only `forest` is static: worlds of one shape stack.
    """

    atoms: Float[Array, "features dim"]  # unit rows
    parent: Int[Array, " features"]  # -1 for roots and for features that stand alone
    level: Int[Array, " features"]  # 0 for these
    group: Int[Array, " features"]  # of siblings: their parent; -1 for roots and lone features
    prob: Float[Array, " features"]  # P(z_i > 0): exact for tops, below them as `marginals`
    mean: Float[Array, " features"]  # E(z_i | z_i > 0), exact
    cv: Float[Array, " features"]  # standard deviation of z_i given z_i > 0, over `mean`, exact
    offset: Float[Array, " dim"]
    true_l0: Float[Array, ""]  # Σ prob
    size_mean: Float[Array, " features"]
    size_std: Float[Array, " features"]
    factor: Float[Array, "features rank"]
    own: Float[Array, " features"]  # √(1 - ‖F_i‖²), so a gate's variance is 1
    threshold: Float[Array, " features"]
    forest: Forest = struct.field(pytree_node=False)

    def sample(self, key: Array, n: int) -> tuple[Float[Array, "n dim"], Float[Array, "n features"]]:
        """n rows x [n, dim] and their codes z [n, features]; pure in (world, key)."""
        return self._blocks(self._rows_and_codes, key, n)

    def rows(self, key: Array, n: int) -> Float[Array, "n dim"]:
        """The x of `sample` without ever holding the codes of all n rows."""
        return self._blocks(lambda keys: self._rows_and_codes(keys)[0], key, n)

    def _blocks(self, block, key, n):
        # Blocks of one size for every n, or the same row would be rounded in other ways.
        size = ROWS.get(jax.default_backend(), WIDE)
        numbers = jnp.arange(n + -n % size).reshape(-1, size)
        keys = jax.vmap(jax.random.fold_in, (None, 0))
        parts = jax.lax.map(lambda i: block(keys(key, i)), numbers)
        return jax.tree.map(lambda part: part.reshape(-1, part.shape[2])[:n], parts)

    def _rows_and_codes(self, keys):
        """x and codes of the rows with these keys: of their open tops, some at a time."""
        tops = jnp.asarray(self.forest.tops(len(self.prob)))
        rank = self.factor.shape[1]
        row_keys, path_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
        drawn = words(row_keys, rank + len(tops))
        common = normal(drawn[:, :rank])
        gate = jnp.matmul(common, self.factor[tops].T, precision=HIGHEST)
        is_open = places(uniform(drawn[:, rank:]) < self._chance(gate, tops))
        slots = SLOTS * len(keys)

        def grow(carry):
            first, x, codes = carry
            slot = first + jnp.arange(slots)
            row, place, number = is_open.find(slot)
            path = jax.vmap(jax.random.fold_in)(path_keys[row], number)
            node, value = self._paths(path, common[row], tops[place])
            value = jnp.where(slot < is_open.count, value, 0.0)
            sums = sum(one[:, None] * self.atoms[where] for one, where in zip(value, node, strict=True))
            x = x + is_open.spread(sums, first)
            return first + slots, x, codes.at[row, node].add(value)

        features, dim = self.atoms.shape
        start = 0, jnp.broadcast_to(self.offset, (len(keys), dim)), jnp.zeros((len(keys), features))
        return jax.lax.while_loop(lambda carry: carry[0] < is_open.count, grow, start)[1:]

    def _paths(self, keys, common, top):
        """Nodes and values [1 + levels, slots] from open tops down; a value is 0 from where its path ends."""
        forest = self.forest
        levels = forest.depth if forest.inner else 0
        shape = levels, 1 + 2 * forest.branching, len(top)
        drawn = words(keys, 1 + shape[0] * shape[1]).T
        value = self._size(top, drawn[0])

        def descend(carry, drawn):
            node, value = carry
            gates, sizes = jnp.split(drawn[1:].T, 2, axis=1)
            below = forest.children(jnp.minimum(node, forest.inner - 1))
            gate = jnp.einsum("sbc,sc->sb", self.factor[below], common, precision=HIGHEST)
            ratio = jnp.where(node < forest.inner, value / self.size_mean[node], 0.0)
            values = self._size(below, sizes) * ratio[:, None]
            values = jnp.where(uniform(gates) < self._chance(gate, below), values, 0.0)
            which = one_above_zero(values, uniform(drawn[0]))[:, None]
            child = tuple(jnp.take_along_axis(part, which, axis=1)[:, 0] for part in (below, values))
            return child, child

        below = jax.lax.scan(descend, (top, value), drawn[1:].reshape(shape))[1]
        return jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), (top, value), below)

    def _chance(self, gate, feature):
        """P(gate open) given the common part of the gate."""
        return jax.scipy.special.ndtr((gate - self.threshold[feature]) / self.own[feature])

    def _size(self, feature, drawn):
        return jnp.maximum(self.size_mean[feature] + self.size_std[feature] * normal(drawn), 0.0)


def ssb(key: Array, recipe: Recipe) -> SsbWorld:
    """The world of this recipe. Raises ValueError as `Recipe.check`."""
    recipe.check()
    atoms_key, factor_key, size_key, offset_key = jax.random.split(key, 4)
    forest, features = recipe.forest, recipe.features
    law = firing(factor_key, size_key, recipe)
    prob = marginals(forest, **law)
    mean, cv = moments(forest, law["size_mean"], law["size_std"])
    offset = np.asarray(jax.random.normal(offset_key, (recipe.dim,)), np.float64)
    parent = forest.parents(features)
    floats = law | {"prob": prob, "mean": mean, "cv": cv, "true_l0": prob.sum()}
    floats |= {"offset": recipe.offset * offset / np.linalg.norm(offset)}
    return SsbWorld(
        atoms=pushed_apart(
            atoms_key, features, recipe.dim, steps=recipe.apart_steps, rate=float(recipe.apart_rate)
        ),
        parent=jnp.asarray(parent),
        level=jnp.asarray(forest.levels(features)),
        group=jnp.asarray(parent),
        forest=forest,
        **{name: jnp.asarray(value, jnp.float32) for name, value in floats.items()},
    )


def firing(factor_key: Array, size_key: Array, recipe: Recipe) -> dict[str, Any]:
    """`factor`, `own`, `threshold`, `size_mean` and `size_std` of a world, in float64.

    Loadings are loading · N(0, 1); a row that would leave a gate less than `LEAST_OWN` of its
    variance is shortened to leave that. Thresholds open gate i with probability
    `Forest.compensated`.
    """
    factor = recipe.loading * _normal(factor_key, (recipe.features, recipe.rank))
    length = np.linalg.norm(factor, axis=1, keepdims=True)
    factor *= np.minimum(1, np.sqrt(1 - LEAST_OWN) / np.maximum(length, 1e-30))
    return {
        "factor": factor,
        "own": np.sqrt(1 - np.square(factor).sum(1)),
        "threshold": -ndtri(recipe.forest.compensated(recipe.base_prob)),
        "size_mean": recipe.size_mean,
        "size_std": np.abs(recipe.spread + recipe.spread_std * _normal(size_key, (recipe.features,))),
    }


def marginals(
    forest: Forest, *, factor, own, threshold, size_mean, size_std, points: int = COMMON
) -> Float[np.ndarray, " features"]:
    """P(z_i > 0) of every feature, in [0, 1].

    Exact for tops, P(gate) Φ(mean / std). Below them exact given the common causes ε, where gates
    are independent (`Forest.settled`), and averaged over `points` points of ε (a power of 2): Sobol's
    sequence, pushed through the normal quantile.
    """
    from scipy.stats import qmc

    positive = ndtr(_sigmas(size_mean, size_std))
    # Moved to the middle of their cells, or the first point would be at minus infinity.
    common = ndtri(qmc.Sobol(factor.shape[1], scramble=False).random(points) + 0.5 / points)
    total = np.zeros(len(own))
    for part in np.array_split(common, max(1, points * len(own) // AT_ONCE)):
        total += forest.settled(ndtr((part @ factor.T - threshold) / own) * positive).sum(0)
    prob = ndtr(-threshold) * positive
    below = slice(forest.roots, forest.size)
    prob[below] = total[below] / points
    return prob


def moments(forest: Forest, size_mean, size_std) -> tuple[np.ndarray, np.ndarray]:
    """E(z_i | z_i > 0) and the coefficient of variation, in closed form, [features] each.

    A size is a normal number v > 0, with E v = µ + σh and E v² = µ² + σ² + µσh, h = φ(µ/σ) / Φ(µ/σ);
    a child's value is its own size times z_P / µ_P, independent of it.
    """
    sigmas = _sigmas(size_mean, size_std)
    hazard = np.exp(-np.square(sigmas) / 2) / np.sqrt(2 * np.pi) / ndtr(sigmas)
    first = size_mean + size_std * hazard
    second = np.square(size_mean) + np.square(size_std) + size_mean * size_std * hazard
    for above, below in zip(forest.spans, forest.spans[1:], strict=False):
        first[below] *= np.repeat(first[above] / size_mean[above], forest.branching)
        second[below] *= np.repeat(second[above] / np.square(size_mean[above]), forest.branching)
    return first, np.sqrt(np.maximum(second / np.square(first) - 1, 0))


def _sigmas(mean, std):
    return np.divide(mean, std, out=np.full(len(mean), np.inf), where=std > 0)


def _normal(key: Array, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(jax.random.normal(key, shape), np.float64)
