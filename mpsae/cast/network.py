"""A small CAST (arXiv 2210.00314): attention among superpixels, which pooling merges into ever coarser segments."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mpsae.cast.pooling import GraphPooling

LEVELS = (64, 16, 4)  # segments of an image, superpixels first
BLOCKS = (2, 1, 1)  # of attention at each level
STEM = ((16, 4, 2), (32, 3, 1))  # channels, side and stride of its convolutions
WIDTH, HEADS, DIM = 64, 4, 64


class Seen(NamedTuple):
    """An image as CAST sees it: `row` has norm 1; `joined[i]` says into which segment of level i + 1 each of i went."""

    row: Float[Array, "n dim"]
    joined: tuple[Int[Array, "n segments"], ...]


class Cast(nn.Module):
    """Images from 0 to 1 and their superpixels as `Seen`.

    Superpixel tokens are `means` of a convolutional stem; blocks of attention and an MLP (pre-norm)
    take turns with graph pooling, and the row is read from the class token that goes with them all the way.
    """

    @nn.compact
    def __call__(
        self, images: Float[Array, "n height width 3"], superpixels: Int[Array, "n height width"]
    ) -> Seen:
        x = images - 0.5
        for channels, side, stride in STEM:
            x = nn.Conv(channels, (side, side), strides=stride, padding="SAME")(x)
            x = nn.gelu(nn.GroupNorm(4)(x))
        tokens = nn.Dense(WIDTH)(means(x, superpixels[:, ::2, ::2], LEVELS[0]))  # where the stem has pixels
        classes = jnp.broadcast_to(
            self.param("class", nn.initializers.normal(0.02), (1, 1, WIDTH)), (len(images), 1, WIDTH)
        )
        joined = []
        for level, blocks in enumerate(BLOCKS):
            if level:
                tokens, group = GraphPooling(LEVELS[level])(tokens)
                joined.append(group)
            both = jnp.concatenate([classes, tokens], 1)
            for _ in range(blocks):
                both = Block()(both)
            classes, tokens = both[:, :1], both[:, 1:]
        row = nn.Dense(DIM, use_bias=False)(nn.LayerNorm()(classes[:, 0]))
        return Seen(row / jnp.linalg.norm(row, axis=1, keepdims=True), tuple(joined))


def means(
    features: Float[Array, "n rows columns f"], groups: Int[Array, "n rows columns"], count: int
) -> Float[Array, "n count f+5"]:
    """Mean features of each group and the moments of its place to the second order, by which it has a shape.

    Place runs from -1 to 1 along both axes: its means down and right, of both squared, and of the product. An
    empty group has zeros.
    """
    n, rows, columns, _ = features.shape
    down, right = jnp.meshgrid(jnp.linspace(-1, 1, rows), jnp.linspace(-1, 1, columns), indexing="ij")
    place = jnp.stack([down, right, down**2, right**2, down * right, jnp.ones_like(down)], -1)
    whole = jnp.concatenate([features, jnp.broadcast_to(place, (n, *place.shape))], -1)
    member = jax.nn.one_hot(groups.reshape(n, -1), count)
    sums = jnp.einsum("npk,npf->nkf", member, whole.reshape(n, rows * columns, -1))
    return sums[..., :-1] / jnp.maximum(sums[..., -1:], 1)


class Block(nn.Module):
    """Attention of all tokens, then an MLP, each on normed tokens and added to them."""

    @nn.compact
    def __call__(self, x: Float[Array, "n tokens width"]) -> Float[Array, "n tokens width"]:
        n, tokens, width = x.shape
        inner = nn.Dense(3 * width)(nn.LayerNorm()(x)).reshape(n, tokens, 3, HEADS, width // HEADS)
        query, key, value = jnp.moveaxis(inner, 2, 0)
        weights = jax.nn.softmax(jnp.einsum("nqhd,nkhd->nhqk", query, key) / jnp.sqrt(width // HEADS))
        x = x + nn.Dense(width)(jnp.einsum("nhqk,nkhd->nqhd", weights, value).reshape(x.shape))
        return x + nn.Dense(width)(nn.gelu(nn.Dense(2 * width)(nn.LayerNorm()(x))))
