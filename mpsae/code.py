"""The one type a code has, dense or sparse."""

import flax.struct as struct
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mpsae import sparse
from mpsae.largest import largest


class Code(struct.PyTreeNode):
    """What an encoder says about a batch: how much of which atom.

    Dense when `indices` is None: `values [batch, width]`. Sparse otherwise:
    `values [batch, k]` and `indices [batch, k]`, where a repeated index adds
    and a value of 0 is padding. `width` is the number of atoms.
    """

    values: Array
    indices: Array | None = None
    width: int = struct.field(pytree_node=False, default=0)

    @property
    def latents(self) -> Int[Array, "batch entries"]:
        """Which latent each entry of `values` belongs to, in either form."""
        if self.indices is None:
            return jnp.broadcast_to(jnp.arange(self.values.shape[-1]), self.values.shape)
        return self.indices

    def merged(self) -> "Code":
        """The same code with no latent twice in a row; sparse stays sparse, [batch, k].

        A row is sorted by latent and each run of equal ones is added into one entry, in
        the order they were in, as `dense` adds them. What is left over is padding.
        """
        if self.indices is None:
            return self
        rows = jnp.arange(len(self.values))[:, None]
        # Padding goes last, so that it merges with no entry and its index means nothing.
        latent = jnp.where(self.values != 0, self.indices, self.width)
        order = jnp.argsort(latent, axis=-1, stable=True)
        latent, value = (jnp.take_along_axis(part, order, axis=-1) for part in (latent, self.values))
        new = jnp.concatenate([jnp.zeros_like(latent[:, :1], bool), latent[:, 1:] != latent[:, :-1]], axis=-1)
        place = jnp.cumsum(new, axis=-1)
        values = jnp.zeros_like(self.values).at[rows, place].add(value)
        indices = jnp.zeros_like(latent).at[rows, place].max(jnp.where(latent < self.width, latent, 0))
        return Code(values=values, indices=indices, width=self.width)

    def dense(self) -> Float[Array, "batch width"]:
        """The code as one row of `width` values per sample; repeats are added."""
        if self.indices is None:
            return self.values
        rows = jnp.arange(len(self.values))[:, None]
        empty = jnp.zeros((len(self.values), self.width), self.values.dtype)
        return empty.at[rows, self.indices].add(self.values)

    def decode(self, atoms: Float[Array, "width dim"]) -> Float[Array, "batch dim"]:
        """Σ_i z_i d_i, without any bias."""
        if self.indices is None:
            return self.values @ atoms
        return sparse.combine(self.values, self.indices, atoms)

    def l0(self) -> Int[Array, " batch"]:
        """Number of distinct active latents per sample."""
        if self.indices is None:
            return (self.values != 0).sum(-1)
        # Padding is moved past the last atom, so each run of equal indices counts once.
        ordered = jnp.sort(jnp.where(self.values != 0, self.indices, self.width), axis=-1)
        first = jnp.concatenate(
            [jnp.ones_like(ordered[:, :1], bool), ordered[:, 1:] != ordered[:, :-1]], axis=-1
        )
        return (first & (ordered < self.width)).sum(-1)

    def energy(self) -> Float[Array, " batch"]:
        """Σ_t z_t² over the entries as selected, before repeats are merged.

        For a pursuit over unit atoms this equals ‖x‖² - ‖residual‖²; the
        merged code does not satisfy that identity once an atom is chosen twice.
        """
        return jnp.square(self.values).sum(-1)

    def fired(self) -> Bool[Array, " width"]:
        """Which latents are active on at least one row."""
        if self.indices is None:
            return (self.values != 0).any(0)
        return jnp.zeros(self.width, bool).at[self.indices].max(self.values != 0)

    def largest(self, k: int) -> "Code":
        """The k entries of largest magnitude of the merged code, as a sparse code.

        Fewer where the code has no k entries to give. Equal ones go by their latent, lowest first.
        """
        merged = self.merged()
        entries = merged.values.shape[-1]
        _, best = largest(jnp.abs(merged.values), min(k, entries, self.width or entries))
        values, indices = (
            jnp.take_along_axis(part, best, axis=-1) for part in (merged.values, merged.latents)
        )
        return Code(values=values, indices=indices, width=self.width or entries)
