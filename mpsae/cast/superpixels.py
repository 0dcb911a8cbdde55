"""Superpixels: the pixels of an image in small groups of like colour and place, by k-means from a regular grid."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

ROUNDS = 3
PLACE = 0.12  # how far one cell of the grid weighs, where black to white in one channel weighs 1
OUTSIDE = 1e3  # a coordinate that no pixel has: cells beyond the border attract none


def superpixels(
    images: Float[Array, "n height width 3"], *, rows: int = 8, columns: int = 8
) -> Int[Array, "n height width"]:
    """The number of each pixel's group, 0 to rows·columns - 1, counted along the rows of the grid.

    Colours are from 0 to 1. Groups begin as the cells of the grid; three times over, each pixel goes to the
    nearest mean, in colour and PLACE times its place in cells, among its own cell's and those of the eight
    around it (the restricted search of SLIC, Achanta et al. 2012). No group is made connected, and one may
    end up empty. Raises ValueError where the grid does not divide the image.
    """
    n, height, width, _ = images.shape
    if height % rows or width % columns:
        raise ValueError(
            f"superpixels: {rows} x {columns} cells do not divide an image of {height} x {width} pixels"
        )
    y, x = jnp.meshgrid(
        jnp.arange(height) * rows / height, jnp.arange(width) * columns / width, indexing="ij"
    )
    place = jnp.broadcast_to(PLACE * jnp.stack([y, x], -1), (n, height, width, 2))
    whole = jnp.concatenate([images, place], -1)
    cells = whole.reshape(n, rows, height // rows, columns, width // columns, 5)
    pixels = cells.transpose(0, 1, 3, 2, 4, 5).reshape(n, rows, columns, -1, 5)
    means = pixels.mean(3)
    means = jax.lax.fori_loop(
        0, ROUNDS, lambda _, means: _moved(pixels, means, _nearest(pixels, means)), means
    )
    step = _nearest(pixels, means)
    row = jnp.arange(rows)[:, None, None] + step // 3 - 1
    column = jnp.arange(columns)[None, :, None] + step % 3 - 1
    blocks = (row * columns + column).reshape(n, rows, columns, height // rows, width // columns)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(n, height, width)


def _nearest(
    pixels: Float[Array, "n rows columns inside 5"], means: Float[Array, "n rows columns 5"]
) -> Int[Array, "n rows columns inside"]:
    """Which of the nine cells around a pixel's own, 4 being its own."""
    rows, columns = means.shape[1:3]
    padded = jnp.pad(means, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=OUTSIDE)
    around = jnp.stack(
        [padded[:, down : down + rows, right : right + columns] for down in range(3) for right in range(3)], 3
    )
    dots = jnp.einsum("nrcpf,nrckf->nrcpk", pixels, around)
    return (jnp.square(around).sum(-1)[:, :, :, None] - 2 * dots).argmin(-1)


def _moved(
    pixels: Float[Array, "n rows columns inside 5"],
    means: Float[Array, "n rows columns 5"],
    nearest: Int[Array, "n rows columns inside"],
) -> Float[Array, "n rows columns 5"]:
    """The mean of the pixels that went to each cell; a cell that none went to keeps the one it had."""
    n, rows, columns, _ = means.shape
    counted = jnp.concatenate([pixels, jnp.ones((*pixels.shape[:-1], 1))], -1)
    given = jnp.einsum("nrcpk,nrcpf->nrckf", jax.nn.one_hot(nearest, 9), counted)
    sums = jnp.zeros((n, rows + 2, columns + 2, 6))
    for number in range(9):
        down, right = divmod(number, 3)
        sums = sums.at[:, down : down + rows, right : right + columns].add(given[:, :, :, number])
    sums = sums[:, 1:-1, 1:-1]
    return jnp.where(sums[..., 5:] > 0, sums[..., :5] / jnp.maximum(sums[..., 5:], 1), means)
