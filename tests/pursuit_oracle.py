"""Matching pursuit in plain float64 loops, and the problems it is tried on."""

import functools
import itertools
import random

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.pursuit import pursue
from mpsae.routes.rule import REPEATS, SELECT, TOLERANCES
from mpsae.saes.mp import MatchingPursuit

OPTIONS = {
    "select": tuple(SELECT),
    "on_repeat": REPEATS,
    "tol_kind": TOLERANCES,
    "sliced": (False, True),
    "step_size": ("projection", "plain"),
    "analysis": ("tied", "untied", "untied_bias"),
    "bias": ("pre", "none", "sub_only"),
    "grad_residual": ("full", "detach"),
    "route": ("residual", "gram", "screened", "screened_gram"),
}
PLAIN = MatchingPursuit(k=4, step_size="plain", bias="none", revive="none", norm="init")


def covering_cases():
    """Few option combinations in which every pair of values of every two options occurs."""
    pool = list(itertools.product(*OPTIONS.values()))
    random.Random(0).shuffle(pool)
    missing, cases = set().union(*map(pairs, pool)), []
    while missing:
        cases.append(max(pool[:400], key=lambda case: len(pairs(case) & missing)))
        missing -= pairs(cases[-1])
        pool.remove(cases[-1])
        random.Random(len(cases)).shuffle(pool)
    return [dict(zip(OPTIONS, case, strict=True)) for case in cases]


def pairs(case):
    return set(itertools.combinations(enumerate(case), 2))


CASES = covering_cases()


def label(case):
    return "-".join(str(value) for value in case.values())


def build(case, k=4):
    case = dict(case)
    tol = {"absolute": 0.9, "relative": 0.45}[case["tol_kind"]]
    slices = k if case.pop("sliced") else 1
    if case["analysis"] != "tied":
        case["step_size"] = "plain"  # `validate` refuses the other, which has no meaning there
    return MatchingPursuit(k=k, slices=slices, tol=tol, revive="none", **case)


def problem(sae, rows=14, dim=7, width=12, unit=False, seed=0):
    """Float64 params of generic numbers (norms .8 to 1.3 unless unit) and rows with clear winners."""
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(width, dim))
    atoms *= (1.0 if unit else rng.uniform(0.8, 1.3, (width, 1))) / np.linalg.norm(
        atoms, axis=1, keepdims=True
    )
    params = {"atoms": atoms}
    if sae.bias != "none":
        params["bias"] = 0.3 * rng.normal(size=dim)
    if sae.analysis != "tied":
        params["analysis"] = atoms + 0.15 * rng.normal(size=atoms.shape)
    if sae.analysis == "untied_bias":
        params["analysis_bias"] = 0.1 * rng.normal(size=width)
    return params, 1.5 * rng.normal(size=(rows, dim)) / np.sqrt(dim) * np.sqrt(3)


def oracle(sae, params, x, seen=None):
    """Indices, values and residuals of the pursuit, one float64 scalar decision after another."""
    atoms = params["atoms"]
    width = len(atoms)
    weights, offsets = params.get("analysis", atoms), params.get("analysis_bias", np.zeros(width))
    per_slice = width // sae.slices
    all_indices, all_values, residuals = [], [], []
    for row in x:
        residual = row - params.get("bias", 0.0)
        limit = sae.tol * (np.linalg.norm(residual) if sae.tol_kind == "relative" else 1.0)
        indices, values, code, running = [0] * sae.k, [0.0] * sae.k, {}, True
        for t in range(sae.k):
            if not running:
                break
            best = None
            for i in range(width):
                if sae.slices > 1 and i // per_slice != t % sae.slices:
                    continue
                if sae.on_repeat == "ban" and i in code:
                    continue
                product = weights[i] @ residual + offsets[i]
                if seen is not None and not seen[i]:
                    product = 0.0
                size = np.linalg.norm(atoms[i])
                scaled = sae.analysis == "tied" and sae.step_size == "projection"
                score, value = (product / size, product / size**2) if scaled else (product, product)
                if sae.select == "abs":
                    score = abs(score)
                if best is None or score > best[0]:
                    best = score, i, value
            _, i, value = best
            if sae.select == "relu_max":
                value = max(value, 0.0)
            unchanged = value == 0 or i in code
            indices[t], values[t] = i, value
            code[i] = code.get(i, 0.0) + value
            residual = residual - value * atoms[i]
            if np.linalg.norm(residual) < limit or (sae.on_repeat == "stop" and unchanged):
                running = False
        all_indices.append(indices)
        all_values.append(values)
        residuals.append(residual)
    return np.array(all_indices), np.array(all_values), np.array(residuals)


def dense(indices, values, width):
    out = np.zeros((len(values), width))
    np.add.at(out, (np.arange(len(values))[:, None], indices), values)
    return out


def as_jax(tree, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def check_against_oracle(sae, params, x):
    indices, values, residual = oracle(sae, params, x)
    code = dense(indices, values, len(params["atoms"]))
    bias = params["bias"] if sae.bias == "pre" else 0.0
    scale = max(1.0, np.abs(code).max())
    with jax.enable_x64(True):
        path = jax.jit(sae.path)(as_jax(params, jnp.float64), jnp.asarray(x))
        taken = values != 0
        np.testing.assert_array_equal(np.asarray(path.indices)[taken], indices[taken])
        np.testing.assert_allclose(path.values, values, atol=1e-12 * scale)
        np.testing.assert_allclose(path.residual, residual, atol=1e-12 * scale)
        assert path.values.dtype == path.residual.dtype == jnp.float64
    small, rows = as_jax(params, jnp.float32), jnp.asarray(x, jnp.float32)
    encoded = jax.jit(sae.encode)(small, rows)
    clear = np.abs(values) > 1e-3  # below that rounding may decide, and decides nothing that matters
    np.testing.assert_array_equal(np.asarray(encoded.indices)[clear], indices[clear])
    np.testing.assert_allclose(encoded.dense(), code, atol=1e-5 * scale)
    np.testing.assert_allclose(
        sae.decode(small, encoded), code @ params["atoms"] + bias, atol=1e-5 * scale, rtol=1e-5
    )
    assert encoded.values.dtype == jnp.float32
    assert encoded.indices.dtype == jnp.int32
    return values


def unit_rows(seed, width, dim):
    rows = np.random.default_rng(seed).normal(size=(width, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@functools.partial(jax.jit, static_argnums=0)
def run(rule, x, atoms, tol=0.0):
    return pursue(rule, x, atoms, None, tol)
