"""The fused kernel, interpreted, against a float64 arg-sort; and its lowering for a GPU."""

import functools
import itertools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsae.largest import first_max
from mpsae.routes.fused import PRECISIONS, Tile, _fill, best
from mpsae.routes.rule import SELECT
from mpsae.routes.running import SCORES

TILE = Tile(16, 16, 16, 4, 2)
# (batch, width, dim), candidates, score, splits: even and ragged sizes, one tile and several, m = width
CASES = [
    ((16, 32, 16), 1, "signed", None),
    ((5, 37, 21), 1, "magnitude", 1),
    ((17, 33, 3), 3, "signed", 2),
    ((7, 53, 16), 4, "magnitude", None),
    ((3, 8, 40), 8, "signed", None),
]


@functools.cache
def compiled(candidates, score, splits, precision="float32"):
    options = dict(candidates=candidates, score=score, splits=splits, precision=precision)
    return jax.jit(functools.partial(best, **options, tile=TILE, interpret=True))


def oracle(residual, selector, offset, candidates, score):
    """Float64 products, sorted; a row with a NaN is 0..m-1 with NaN."""
    with np.errstate(invalid="ignore"):
        product = residual.astype(np.float64) @ selector.astype(np.float64).T + offset
    key = -np.abs(product) if score == "magnitude" else -product
    indices = np.argsort(key, axis=1, kind="stable")[:, :candidates]
    products = np.take_along_axis(product, indices, 1)
    broken = np.isnan(product).any(1)
    indices[broken], products[broken] = np.arange(candidates), np.nan
    return indices, products


def check(case, residual, selector, offset):
    _, candidates, score, splits = case
    indices, products = compiled(candidates, score, splits)(residual, selector, offset)
    want_indices, want = oracle(residual, selector, offset, candidates, score)
    np.testing.assert_array_equal(indices, want_indices)
    np.testing.assert_array_equal(products, want)


def integers(shape, seed):
    """Small integers: every product is exact in float32 and equal ones are frequent."""
    batch, width, dim = shape
    rng = np.random.default_rng(seed)
    draw = [rng.integers(-2, 3, size).astype(np.float32) for size in ((batch, dim), (width, dim), (width,))]
    return rng, *draw


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 2**32 - 1))
def test_equal_to_the_sorted_products_with_ties(case, seed):
    check(case, *integers(case[0], seed)[1:])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 2**32 - 1), st.sampled_from(["some", "most", "all"]))
def test_infinite_and_undefined_products(case, seed, amount):
    rng, residual, selector, offset = integers(case[0], seed)
    share = dict(some=0.2, most=0.9, all=1.0)[amount]
    offset[rng.random(len(offset)) < share] = -np.inf
    if rng.random() < 0.3:
        offset[rng.integers(len(offset))] = np.inf
    hostile = rng.integers(len(residual), size=2)
    residual[hostile[0], rng.integers(residual.shape[1])] = rng.choice([np.nan, np.inf, -np.inf])
    residual[hostile[1]] = 0
    check(case, residual, selector, offset)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equal_and_zero_atoms(case):
    _, residual, selector, offset = integers(case[0], 0)
    check(case, residual, np.broadcast_to(selector[:1], selector.shape), np.zeros_like(offset))
    check(case, residual, np.zeros_like(selector), np.zeros_like(offset))
    check(case, residual, -np.zeros_like(selector), offset * 0)


def test_infinite_residual_is_not_undefined_where_the_tile_overhangs():
    case = ((5, 37, 21), 1, "magnitude", 1)
    _, residual, selector, offset = integers(case[0], 1)
    residual[2, 4] = -np.inf
    selector[:, 4] = 1 + np.arange(37) % 3
    check(case, residual, selector, offset)
    assert not np.isnan(oracle(residual, selector, offset, 1, "magnitude")[1]).any()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precisions(precision):
    """Operands are rounded, sums are not: exact choices of the rounded operands up to near ties."""
    rng = np.random.default_rng(3)
    residual, selector = (rng.normal(size=(n, 200)).astype(np.float32) for n in (9, 70))
    offset = rng.normal(size=70).astype(np.float32)
    run = compiled(3, "signed", 2, precision)
    indices, products = (np.asarray(part) for part in run(residual, selector, offset))
    if precision == "bfloat16":
        exact = [side.astype(ml_dtypes.bfloat16).astype(np.float64) for side in (residual, selector)]
    else:
        bits = PRECISIONS[precision].mantissa
        exact = [np.asarray(jax.lax.reduce_precision(side, 8, bits)) for side in (residual, selector)]
    want_indices, want = oracle(*exact, offset, 3, "signed")
    np.testing.assert_allclose(products, want, atol=5e-5)
    np.testing.assert_array_equal(indices, want_indices)
    error = np.abs(products - np.take_along_axis(residual @ selector.T + offset, indices, 1)).max()
    limit = dict(float32=2e-5, tf32x3=2e-5, tf32=0.05, bfloat16=0.5)[precision]
    assert error < limit
    assert precision in ("float32", "tf32x3") or error > limit / 100  # it was rounded at all


@pytest.mark.parametrize("select", SELECT)
def test_same_choice_as_the_loop(select):
    rng = np.random.default_rng(4)
    residual, selector = (rng.normal(size=(n, 21)).astype(np.float32) for n in (7, 53))
    selector[9], residual[3] = selector[4], 0
    residual[5, 2] = np.nan
    score = "magnitude" if select == "abs" else "signed"
    indices, _ = compiled(1, score, None)(residual, selector, np.zeros(53, np.float32))
    np.testing.assert_array_equal(indices[:, 0], first_max(SELECT[select][0](residual @ selector.T)))


def test_default_tile_members_and_no_rows():
    """The tile that a GPU gets, a stack of dictionaries under vmap, and an empty batch."""
    _, residual, selector, offset = integers((6, 300, 30), 5)
    both = np.stack([selector, -selector])
    indices, products = jax.jit(
        jax.vmap(functools.partial(best, precision="bfloat16", interpret=True), in_axes=(None, 0, None))
    )(residual, both, offset)
    for member in range(2):
        want_indices, want = oracle(residual, both[member], offset, 1, "signed")
        np.testing.assert_array_equal(indices[member], want_indices)
        np.testing.assert_array_equal(products[member], want)
    indices, products = best(residual[:0], selector, offset, candidates=2)
    assert indices.shape == products.shape == (0, 2)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(score="absolute"), "score is 'absolute', must be one of signed, magnitude"),
        (dict(precision="float16"), "precision is 'float16', must be one of float32, "),
        (dict(candidates=0), "candidates is 0, must be between 1 and 5"),
        (dict(candidates=6), "candidates is 6, must be between 1 and 5"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        best(jnp.zeros((2, 3)), jnp.zeros((5, 3)), jnp.zeros(5), **options)


@pytest.mark.parametrize(
    "row_tiles, atom_tiles, splits",
    [(32, 192, 4), (64, 96, 2), (132, 96, 1), (1, 96, 96), (1, 1, 1), (264, 96, 1), (133, 96, 8)],
)
def test_splits_fill_the_device(row_tiles, atom_tiles, splits):
    assert _fill(row_tiles, atom_tiles) == splits


SIZES = [(8192, 24576, 768), (50, 1000, 784), (1000, 999, 77), (1024, 1_000_000, 4096)]


@pytest.mark.parametrize("precision, score", list(itertools.product(PRECISIONS, SCORES)))
def test_lowers_for_a_gpu_without_one(precision, score):
    for (batch, width, dim), candidates in zip(SIZES, (1, 3, 4, 8), strict=True):
        shapes = [jax.ShapeDtypeStruct(size, jnp.float32) for size in ((batch, dim), (width, dim), (width,))]
        run = jax.jit(functools.partial(best, candidates=candidates, score=score, precision=precision))
        text = run.trace(*shapes).lower(lowering_platforms=("cuda",)).as_text()
        assert text.count("triton") == 1
