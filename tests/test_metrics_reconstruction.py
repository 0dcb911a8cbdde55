"""Each published convention on predictors whose score is known in closed form."""

import numpy as np
import pytest
from scoring import Affine, Rows

from mpsae.metrics.base import Value
from mpsae.score import score

NAMES = (
    "fvu", "ev", "ev_dim_mean", "ev_residual_var", "r2_scalar", "ev_uncentred", "ev_uncentred_mean", "nmse",
    "cosine", "shrinkage", "rel_err", "mse_dim", "mse_sum",
)  # fmt: skip
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)) * np.array([1, 2, 3, 1, 1, 0.5]) + np.array([5.0, -3, 0, 0, 1, 2])
CENTRED = X - X.mean(0)


def scores(x, scale=1.0, shift=0.0, block=None):
    shape = np.ones(x.shape[1], np.float32)
    params = {"atoms": np.eye(x.shape[1], dtype=np.float32), "scale": scale * shape, "shift": shift * shape}
    result = score(Affine(), params, Rows(x, block=block), metrics=NAMES)
    return {name: value.value for name, value in result.rows}


def check(found, **expected):
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=2e-6), name


def test_perfect_reconstruction():
    check(
        scores(X), fvu=0, ev=1, ev_dim_mean=1, ev_residual_var=1, r2_scalar=1, ev_uncentred=1,
        ev_uncentred_mean=1, nmse=0, cosine=1, shrinkage=1, rel_err=0, mse_dim=0, mse_sum=0,
    )  # fmt: skip


def test_mean_predictor_has_ev_0_but_not_r2_0():
    mean, variance = X.mean(0), X.var(0)
    spread = np.square(mean - mean.mean()).sum()
    found = scores(X, scale=0.0, shift=mean.astype(np.float32))
    check(
        found, fvu=1, ev=0, ev_dim_mean=0, ev_residual_var=0,
        r2_scalar=1 - variance.sum() / (variance.sum() + spread),
        ev_uncentred=1 - variance.sum() / (variance + mean**2).sum(),
    )  # fmt: skip
    assert found["r2_scalar"] > 0.3


def test_zero_predictor_on_centred_rows():
    check(scores(CENTRED, scale=0.0), ev=0, cosine=0, nmse=1, rel_err=1, shrinkage=0, ev_uncentred=0)


def test_half_of_centred_rows():
    check(scores(CENTRED, scale=0.5), ev=0.75, shrinkage=0.5, cosine=1, nmse=0.25, rel_err=0.5)


def test_a_constant_error_is_forgiven_by_one_convention_only():
    found = scores(X, shift=1.0)
    check(found, ev_residual_var=1, ev=1 - 6 / X.var(0).sum(), mse_sum=6, mse_dim=1)


def test_every_convention_against_float64():
    scale, shift = 0.7, 0.3
    found, e, size = scores(X, scale, shift), X - (scale * X + shift), np.linalg.norm(X, axis=1)
    sse, sst = np.square(e).sum(0), np.square(CENTRED).sum(0)
    xhat = scale * X + shift
    ratio = np.square(e).sum(1) / size**2
    check(
        found, fvu=sse.sum() / sst.sum(), ev=1 - sse.sum() / sst.sum(), ev_dim_mean=(1 - sse / sst).mean(),
        ev_residual_var=1 - e.var(0).sum() / X.var(0).sum(),
        r2_scalar=1 - sse.sum() / np.square(X - X.mean()).sum(),
        ev_uncentred=1 - sse.sum() / np.square(X).sum(), ev_uncentred_mean=1 - ratio.mean(),
        rel_err=np.sqrt(ratio).mean(), shrinkage=(np.linalg.norm(xhat, axis=1) / size).mean(),
        cosine=((X * xhat).sum(1) / size / np.linalg.norm(xhat, axis=1)).mean(), nmse=ratio.mean(),
        mse_sum=np.square(e).sum(1).mean(), mse_dim=np.square(e).mean(),
    )  # fmt: skip
    assert len({round(found[name], 4) for name in NAMES}) == len(NAMES)  # no two names are one formula
    assert found["ev_uncentred_mean"] == pytest.approx(1 - found["nmse"], abs=1e-6)


def test_a_large_mean_cancels_nothing():
    x = RNG.normal(size=(500, 3)) + 1000.0
    x = x.astype(np.float32).astype(np.float64)
    found = scores(x, scale=0.0, shift=1000.0, block=7)
    check(found, ev=1 - np.square(x - 1000).sum() / np.square(x - x.mean(0)).sum())


def test_undefined_is_null_with_a_reason():
    constant = np.ones((20, 3))
    params = {"atoms": np.eye(3, dtype=np.float32), "scale": np.ones(3), "shift": np.zeros(3)}
    rows = dict(score(Affine(), params, Rows(constant), metrics=NAMES).rows)
    assert rows["ev"].value is None and rows["ev"].note
    assert rows["fvu"].value is None and rows["ev_dim_mean"].value is None
    rows = dict(score(Affine(), params, Rows(0 * constant), metrics=NAMES).rows)
    assert rows["nmse"] == Value(None, 0, note="every row of x is 0")
    assert rows["mse_sum"].value == 0


def test_constant_dimensions_and_zero_rows_are_left_out():
    x = np.array([[1.0, 7], [2, 7], [3, 7], [0, 0]])[:3]
    params = {"atoms": np.eye(2, dtype=np.float32), "scale": np.ones(2) * 0.5, "shift": np.array([1.0, 0])}
    rows = dict(score(Affine(), params, Rows(x), metrics=NAMES).rows)
    assert rows["ev_dim_mean"].value == pytest.approx(1 - 0.5 / 2) and rows["ev_dim_mean"].count == 1
    half = {"atoms": np.eye(2, dtype=np.float32), "scale": np.ones(2) * 0.5, "shift": np.zeros(2)}
    rows = dict(score(Affine(), half, Rows([[3.0, 4], [0, 0]]), metrics=NAMES).rows)
    assert rows["nmse"].value == pytest.approx(0.25) and rows["nmse"].count == 1
