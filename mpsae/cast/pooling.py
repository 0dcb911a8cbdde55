"""Graph pooling: tokens join the most similar of a few that lie far apart, and each group is one token more coarse."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

SHARPNESS = 10.0  # of the softmax over cosines that the gradient sees


class GraphPooling(nn.Module):
    """`count` coarser tokens of [n, tokens, width], and the group that each token joined.

    With s the cosines of tokens and centres, both through one linear map: a token joins the centre of its
    largest s; a group's token is its centre's plus an MLP of the mean of its members. The gradient is that of
    softmax(10 s) in place of the choice, so that one forward pass serves training and segmentation.
    """

    count: int

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "n tokens width"]
    ) -> tuple[Float[Array, "n count width"], Int[Array, "n tokens"]]:
        width = tokens.shape[-1]
        normed = nn.LayerNorm()(tokens)
        keys = nn.Dense(width, use_bias=False)(normed)
        keys = keys / jnp.maximum(jnp.linalg.norm(keys, axis=-1, keepdims=True), 1e-6)
        chosen = jax.nn.one_hot(centres(keys, self.count), tokens.shape[1])
        similar = jnp.einsum("ntd,nkd->ntk", keys, jnp.einsum("nkt,ntd->nkd", chosen, keys))
        soft = jax.nn.softmax(SHARPNESS * similar)
        joined = similar.argmax(-1)
        hard = jax.nn.one_hot(joined, self.count)
        member = soft + jax.lax.stop_gradient(hard - soft)
        mean = jnp.einsum("ntk,ntd->nkd", member, normed) / jnp.maximum(member.sum(1), 1e-6)[..., None]
        update = nn.Dense(width)(nn.gelu(nn.Dense(width)(mean)))
        return jnp.einsum("nkt,ntd->nkd", chosen, tokens) + update, joined


def centres(keys: Float[Array, "n tokens dim"], count: int) -> Int[Array, "n count"]:
    """Which of the unit rows are `count` that lie far apart: farthest point sampling by cosine.

    The first is nearest to the mean, each next one has the smallest of its largest cosines with those before.
    """
    keys = jax.lax.stop_gradient(keys)
    cosines = jnp.einsum("nsd,ntd->nst", keys, keys)
    first = jnp.einsum("ntd,nd->nt", keys, keys.mean(1)).argmax(-1)

    def add(number, state):
        chosen, nearest = state
        row = jnp.take_along_axis(cosines, chosen[:, number - 1, None, None], 1)[:, 0]
        nearest = jnp.maximum(nearest, row)
        return chosen.at[:, number].set(nearest.argmin(-1)), nearest

    chosen = jnp.zeros((len(keys), count), first.dtype).at[:, 0].set(first)
    return jax.lax.fori_loop(1, count, add, (chosen, jnp.full(cosines.shape[:2], -jnp.inf)))[0]
