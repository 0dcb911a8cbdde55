"""The m best atoms of every residual: a matrix product and a running arg-max in one GPU kernel.

    p = residual @ selector.T + offset,    (indices, products)[b] = the m largest score(p[b])

A plain product writes and reads p [batch, width] each step, 8 · batch · width bytes of memory traffic.
Here a program owns `rows` residuals and walks over tiles of `atoms` atoms; a tile of p stays in
registers until its best are merged into the m kept per row. Worth it where the product is fast:
p costs 8 B / 4.3 TB/s = 1.9 ps an entry, a product at dim 768 1.9 ps in bfloat16, 3.8 in tf32, 23 in
float32, so `float32` exists for exactness, not for speed.

Work: 2 · batch · width · dim flops; from L2 (1/rows + 1/atoms) · batch · width · dim · size bytes;
from memory each operand about once, since programs walk the atoms in step and share them through L2.
Default tile in bfloat16, 256 × 128 × 64 with 8 warps: accumulator 128 KiB, half the register file, 128
of a thread's 255 registers (none spilled at m = 3, compiled for sm_90a); a stage is (256 + 128) · 64 ·
2 B = 48 KiB, 4 stages 192 of 227 KiB of shared memory; 85 flops per byte of L2. Rows of a multiple of
16 bytes are copied asynchronously; other dims are correct but slow.

Written for the Triton backend of Pallas: one body serves every precision (Mosaic has no float32
product), is interpreted on CPU and lowers to wgmma without a GPU at hand. JAX 0.11 deprecates it.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float, Int

from mpsae.routes.running import SCORES, merge

MULTIPROCESSORS = 132  # of an H100 or H200; only the number of splits depends on it
MOST = 8


class Tile(NamedTuple):
    """Powers of two: rows × atoms products at once, `chunk` dims a stage; warps and stages for Triton."""

    rows: int
    atoms: int
    chunk: int
    warps: int
    stages: int


class Precision(NamedTuple):
    """How operands are read: their type, the tensor-core algorithm, mantissa bits kept, the tile."""

    dtype: jnp.dtype
    algorithm: jax.lax.DotAlgorithmPreset
    mantissa: int
    tile: Tile


_ALGORITHM = jax.lax.DotAlgorithmPreset
PRECISIONS = {
    "float32": Precision(jnp.dtype("float32"), _ALGORITHM.F32_F32_F32, 23, Tile(64, 128, 32, 8, 3)),
    "tf32x3": Precision(jnp.dtype("float32"), _ALGORITHM.TF32_TF32_F32_X3, 23, Tile(128, 128, 32, 8, 3)),
    "tf32": Precision(jnp.dtype("float32"), _ALGORITHM.TF32_TF32_F32, 10, Tile(128, 256, 32, 8, 4)),
    "bfloat16": Precision(jnp.dtype("bfloat16"), _ALGORITHM.BF16_BF16_F32, 7, Tile(256, 128, 64, 8, 4)),
}


def best(
    residual: Float[Array, "batch dim"],
    selector: Float[Array, "width dim"],
    offset: Float[Array, " width"],
    *,
    candidates: int = 1,
    score: str = "signed",
    precision: str = "float32",
    tile: Tile | None = None,
    splits: int | None = None,
    interpret: bool = False,
) -> tuple[Int[Array, "batch candidates"], Float[Array, "batch candidates"]]:
    """Indices and products of the `candidates` largest scores of each row, best first.

    score: `signed` ranks p, `magnitude` ranks |p| (products keep their sign). Equal scores go to the
    smallest index; a row with a NaN product returns atoms 0..m-1 with NaN products. precision: how
    the product is formed, always summed in float32; pass a `selector` already in the type of
    `bfloat16` to cast it once. splits: programs that share a row tile (default: what fills the
    device), merged by a second small reduction. interpret: run on any backend, for tests.
    """
    batch, width = len(residual), len(selector)
    for field, value, table in (("score", score, SCORES), ("precision", precision, PRECISIONS)):
        if value not in table:
            raise ValueError(f"{field} is {value!r}, must be one of {', '.join(table)}")
    if not 1 <= candidates <= min(MOST, width):
        raise ValueError(f"candidates is {candidates}, must be between 1 and {min(MOST, width)}")
    if batch == 0:
        return jnp.zeros((0, candidates), jnp.int32), jnp.zeros((0, candidates), jnp.float32)
    how = PRECISIONS[precision]
    # A small batch does not fill the rows of a tile; 64 is the least a warp group multiplies.
    tile = tile or how.tile._replace(rows=min(how.tile.rows, max(64, pl.next_power_of_2(batch))))
    row_tiles, atom_tiles = pl.cdiv(batch, tile.rows), pl.cdiv(width, tile.atoms)
    per_split = pl.cdiv(atom_tiles, splits or _fill(row_tiles, atom_tiles))
    splits = pl.cdiv(atom_tiles, per_split)
    fields = 2 if score == "signed" else 3
    found = pl.pallas_call(
        functools.partial(
            _kernel, tile=tile, how=how, per_split=per_split, m=candidates, score=score, interpret=interpret
        ),
        grid=(row_tiles, splits),
        out_shape=[
            jax.ShapeDtypeStruct((batch, splits * candidates), dtype)
            for dtype in (jnp.float32, jnp.int32, jnp.float32)[:fields]
        ],
        compiler_params=triton.CompilerParams(num_warps=tile.warps, num_stages=tile.stages),
        interpret=interpret,
        name="best_atoms",
    )(residual.astype(how.dtype), selector.astype(how.dtype), offset.astype(jnp.float32))
    return _finish(*found, candidates=candidates)


def _fill(row_tiles: int, atom_tiles: int) -> int:
    """Number of splits with the fewest rounds of programs × (atom tiles in each + one to start it)."""
    choices = range(1, min(atom_tiles, MULTIPROCESSORS) + 1)
    return min(choices, key=lambda s: pl.cdiv(row_tiles * s, MULTIPROCESSORS) * (pl.cdiv(atom_tiles, s) + 1))


def _kernel(residual, selector, offset, *found, tile, how, per_split, m, score, interpret):
    (batch, dim), width = residual.shape, selector.shape[0]
    row, split = pl.program_id(0) * tile.rows, pl.program_id(1)

    def product(atom):
        def add(step, total):
            at = step * tile.chunk
            left = _read(residual, (row, at), (tile.rows, tile.chunk))
            right = _read(selector, (atom, at), (tile.atoms, tile.chunk))
            return total + _dot(left, right, how, interpret)

        total = jnp.zeros((tile.rows, tile.atoms), jnp.float32)
        total = jax.lax.fori_loop(0, pl.cdiv(dim, tile.chunk), add, total)
        return total + _read(offset, (atom,), (tile.atoms,))[None, :]

    def visit(j, carry):
        atom = j * tile.atoms
        return merge(*carry, product(atom), atom, width, score)

    none = jnp.full(tile.rows, -jnp.inf, jnp.float32), jnp.full(tile.rows, -1, jnp.int32)
    kept = tuple((empty,) * m for empty in (*none, none[0])[: len(found)])
    first = split * per_split
    last = jnp.minimum(first + per_split, pl.cdiv(width, tile.atoms))
    kept, broken = jax.lax.fori_loop(first, last, visit, (kept, jnp.zeros(tile.rows, jnp.int32)))
    mask = None if batch % tile.rows == 0 else row + jax.lax.iota(jnp.int32, tile.rows) < batch
    for slot in range(m):
        for field, ref in zip(kept, found, strict=True):
            value = field[slot] if ref.dtype == jnp.int32 else jnp.where(broken > 0, jnp.nan, field[slot])
            triton.store(ref.at[pl.ds(row, tile.rows), split * m + slot], value, mask=mask)


def _read(ref, start, size):
    """ref[start : start + size], zero outside; the mask only where the size does not divide."""
    mask = None
    for axis, (begin, length) in enumerate(zip(start, size, strict=True)):
        if ref.shape[axis] % length:
            inside = begin + jax.lax.broadcasted_iota(jnp.int32, size, axis) < ref.shape[axis]
            mask = inside if mask is None else mask & inside
    where = tuple(map(pl.ds, start, size))
    return triton.load(ref.at[where], mask=mask, other=None if mask is None else 0.0)


def _dot(left, right, how, interpret):
    contract = (((1,), (1,)), ((), ()))
    algorithm = how.algorithm
    if interpret:  # XLA has no such algorithm on CPU: round the operands, multiply in float32
        left, right = (jax.lax.reduce_precision(side, 8, how.mantissa) for side in (left, right))
        left, right, algorithm = left.astype(jnp.float32), right.astype(jnp.float32), "highest"
    return jax.lax.dot_general(left, right, contract, precision=algorithm, preferred_element_type=jnp.float32)


def _finish(ranks, indices, *products, candidates):
    """[batch, splits · m] sorted lists to one of m; then rows with NaN and with too few above -inf."""
    broken = jnp.isnan(ranks).any(1, keepdims=True)
    if ranks.shape[1] > candidates:
        # Two keys: top_k is not promised to break ties by the index on every device.
        order, *rest = jax.lax.sort((-ranks, indices, *products), num_keys=2, is_stable=False)
        ranks, indices, *products = (part[:, :candidates] for part in (-order, *rest))
    product = products[0] if products else ranks
    # Slots still empty (-1) stand for products of -inf: the smallest atoms not taken, in order.
    slots = jnp.arange(candidates)
    free = (indices[:, :, None] != jnp.arange(2 * candidates)).all(1).cumsum(1)
    filled = (indices >= 0).sum(1, keepdims=True)
    fill = jnp.argmax(free[:, None, :] == (slots - filled + 1)[:, :, None], 2)
    indices = jnp.where(indices < 0, fill, indices)
    return (
        jnp.where(broken, slots, indices).astype(jnp.int32),
        jnp.where(broken, jnp.nan, product),
    )
