"""Stand-ins for the scorer's tests: rows held in memory, small worlds, SAEs whose codes are given."""

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np

from mpsae.code import Code
from mpsae.metrics.base import Pool, Side
from mpsae.oracle import TrueCodes
from mpsae.pairs import interleaved
from synthetic.world import tree_world


class Rows:
    """A source of given rows, in blocks of a given size; the last block may be smaller."""

    def __init__(self, x, z=None, truth=None, block=None):
        self.x, self.z, self.truth = np.asarray(x, np.float32), z, truth
        self.block = block or len(self.x)
        self.dim, self.blocks = self.x.shape[1], -(-len(self.x) // self.block)

    def held_out(self, i):
        part = slice(i * self.block, (i + 1) * self.block)
        return self.x[part], None if self.z is None else np.asarray(self.z[part], np.float32)


class Affine(struct.PyTreeNode):
    """z = x, x̂ = scale · x + shift: any predictor that a reconstruction test needs."""

    def encode(self, params, x):
        return Code(values=x, width=x.shape[1])

    def decode(self, params, code):
        return code.values * params["scale"] + params["shift"]


class Mixed(struct.PyTreeNode):
    """Codes z* @ mix: any rearrangement of the true codes, whatever x is."""

    def encode_true(self, params, x, zt):
        codes = zt @ params["mix"]
        return Code(values=codes, width=codes.shape[1])

    def decode(self, params, code):
        return code.decode(params["atoms"])


class Identity(struct.PyTreeNode):
    """z = x, x̂ = z D: rows are the codes themselves."""

    def at_k(self, k):
        return None

    def encode(self, params, x):
        return Code(values=x, width=x.shape[1])

    def decode(self, params, code):
        return code.decode(params["atoms"])


class Pursuit(struct.PyTreeNode):
    """Plain matching pursuit over unit atoms, a Python loop: the reference, not the variant."""

    k: int = struct.field(pytree_node=False, default=2)
    nested: bool = struct.field(pytree_node=False, default=False)

    def at_k(self, k):
        return self.replace(k=k)

    def steps(self, params, x):
        residual, indices, values = x, [], []
        for _ in range(self.k):
            inner = residual @ params["atoms"].T
            best = inner.argmax(1)
            value = jnp.maximum(jnp.take_along_axis(inner, best[:, None], axis=1), 0.0)
            value = jnp.where(value > 1e-6, value, 0.0)
            residual = residual - value * params["atoms"][best]
            indices.append(best)
            values.append(value[:, 0])
        return jnp.stack(indices, 1), jnp.stack(values, 1)

    def encode(self, params, x):
        indices, values = self.steps(params, x)
        return Code(values=values, indices=indices, width=len(params["atoms"]))

    def decode(self, params, code):
        return code.decode(params["atoms"])


class Repeats(struct.PyTreeNode):
    """A sparse code read off x: latents chosen twice, padding, negative values, entries that cancel."""

    k: int = struct.field(pytree_node=False, default=3)

    def steps(self, params, x):
        inner = x @ params["atoms"].T
        values, indices = jax.lax.top_k(inner, self.k)
        repeated = jnp.concatenate([indices, indices[:, ::-1], indices[:, :1]], 1)
        low = jnp.concatenate([values, -values[:, ::-1] / 3, jnp.zeros_like(values[:, :1])], 1)
        return repeated, jnp.where(jnp.abs(low) < 0.2, 0.0, low).at[::5, self.k].multiply(3.0)

    def encode(self, params, x):
        indices, values = self.steps(params, x)
        return Code(values=values, indices=indices, width=len(params["atoms"]))

    def decode(self, params, code):
        return code.decode(params["atoms"])


class Dense(struct.PyTreeNode):
    """Another SAE whose codes are given dense."""

    inner: Repeats

    def steps(self, params, x):
        return self.inner.steps(params, x)

    def encode(self, params, x):
        code = self.inner.encode(params, x)
        return Code(values=code.dense(), width=code.width)

    def decode(self, params, code):
        return self.inner.decode(params, code)


def orthonormal(count, dim, seed=0):
    """`count` orthonormal rows."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0][:count]


def family(atoms, *, parent=(-1, 0, 0, -1, -1), mean=1.0, std=0.25):
    """A world: feature 0 is the parent of 1 and 2, features 3 and 4 stand alone."""
    count = len(parent)
    given = [0.6 if p < 0 else 0.35 for p in parent]
    draw = [own if p < 0 else count + p for own, p in enumerate(parent)]  # siblings exclude each other
    return tree_world(
        atoms=atoms, parent=parent, given=given, draw=draw, mean=np.full(count, mean),
        std=np.full(count, std),
    )  # fmt: skip


def sampled(world, n=210, seed=3):
    """(x, z) of a world in numpy float32."""
    return tuple(np.asarray(part) for part in world.sample(jax.random.key(seed), n))


def mixed(world, *, atoms=None, mix=None):
    """The params of `Mixed`: the truth, unless atoms or the mixing of codes are given."""
    true = np.asarray(world.atoms)
    atoms = true if atoms is None else atoms
    mix = np.eye(len(true)) if mix is None else mix
    return {"atoms": np.asarray(atoms, np.float32), "mix": np.asarray(mix, np.float32)}


def oracle_codes(world):
    """The true dictionary with the true codes, as `score` takes it."""
    return TrueCodes(), {"atoms": jnp.asarray(world.atoms), "bias": jnp.asarray(world.offset)}


class PairedRows(Rows):
    """A source of given pairs: image, text [pairs, dim], their true codes, and what else is known."""

    paired = True

    def __init__(self, image, text, z=None, truth=None, block=None, scores_true=None):
        image, text = (np.asarray(rows, np.float64) for rows in (image, text))
        super().__init__(interleaved(image, text), None if z is None else interleaved(*z), truth, block)
        self.scores_true = scores_true


def pooled(image, text, codes=None, xhat=None, empty=0.0):
    """A Pool of given rows; by default the codes are the rows, and x̂ is x."""
    from scipy.sparse import csr_array

    codes, xhat = codes or (image, text), xhat or (image, text)
    whole = [[np.asarray(rows, np.float64) for rows in part] for part in ((image, text), xhat, codes)]
    sides = [Side(x, rebuilt, csr_array(z)) for x, rebuilt, z in zip(*whole, strict=True)]
    return Pool(*sides, np.full(sides[0].x.shape[1], empty))


def coco(folder, name="features_clip"):
    """The 500 pairs of real embeddings: (images, texts), [500, 512] each."""
    return np.load(folder / "coco500_pairs_vitb16" / f"{name}.npy")
