"""The world of SynthSAEBench (arXiv 2602.14687): many features on a forest, with correlated gates."""

from typing import Any

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import ndtr, ndtri

from synthetic.apart import pushed_apart
from synthetic.forest import Forest
from synthetic.ssb_recipe import Recipe

AT_ONCE = 2**21  # numbers per array of a block of rows: 8 MiB, 128 rows of 16384 features
COMMON = 2**12  # points of the common causes: marginals to .5 %, their sum to .05 % (measured)
LEAST_OWN = 0.01  # share of a gate's variance that is always its own


class SsbWorld(struct.PyTreeNode):
    """Features in `atoms`, gates with common causes, and the law of x = z D + offset.

    Gate i is open when F_i · ε + own_i η_i > threshold_i, with ε of `rank` normal numbers common to
    all features and η_i normal. An open gate gives max(0, size_mean + size_std N(0, 1)); then the
    forest gates, scales and excludes (`Forest.settle`, scaled by value / size_mean of the parent).
    A row is a function of (world, key, its number) alone, so shorter samples begin longer ones.

    Memory: the atoms (50 MB at 16384 x 768), the rows asked for, and about 11 arrays of `AT_ONCE`
    numbers, 92 MB (measured); codes come dense, 66 MB for 1000 rows of 16384 features.
    Only `forest` is static: worlds of one shape stack.
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
        return self._blocks(self._row_and_codes, key, n)

    def rows(self, key: Array, n: int) -> Float[Array, "n dim"]:
        """The x of `sample` without ever holding the codes of all n rows."""
        return self._blocks(lambda key: self._row_and_codes(key)[0], key, n)

    def _blocks(self, one, key, n):
        # All rows at once would need gates, sizes and random bits of [n, features] each.
        most = max(1, AT_ONCE // len(self.prob))
        size = -(-n // -(-n // most)) if n else 1  # equal blocks: no odd one at the end to compile
        return jax.lax.map(lambda i: one(jax.random.fold_in(key, i)), jnp.arange(n), batch_size=size)

    def _row_and_codes(self, key):
        codes = self._codes(key)
        x = jnp.matmul(codes, self.atoms, precision=jax.lax.Precision.HIGHEST) + self.offset
        return x, codes

    def _codes(self, key):
        common_key, own_key, size_key, draw_key = jax.random.split(key, 4)
        features, rank = self.factor.shape
        common = jax.random.normal(common_key, (rank,))
        gate = jnp.matmul(self.factor, common, precision=jax.lax.Precision.HIGHEST)
        gate = gate + self.own * jax.random.normal(own_key, (features,))
        size = self.size_mean + self.size_std * jax.random.normal(size_key, (features,))
        values = jnp.where(gate > self.threshold, jnp.maximum(size, 0.0), 0.0)
        draw = jax.random.uniform(draw_key, (self.forest.inner,))
        return self.forest.settle(values, draw, self.size_mean)


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
