"""A variant on a tiny problem, with everything the assertions share computed once."""

import dataclasses
import functools
import traceback
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mpsae import optim, train
from mpsae import sae as contract
from mpsae.sae import SAE, Context

DIM, WIDTH, BATCH, K, STEPS = 16, 24, 32, 3, 300  # all different, so that no two axes can be mixed up
PLANTED, ACTIVE = 12, 2


class Broken(AssertionError):
    """An assertion of the contract that does not hold, in one sentence for the variant's author."""


class Case:
    """One SAE of a variant, its params, a state after two training steps, and compiled calls.

    `fresh` are params as training starts from them, `perturbed` have noise in every entry, so
    that no bias is 0. All compiled calls take the SAE as an argument, as training does: its
    leaves are traced numbers. `traces` counts how often each was traced.
    """

    def __init__(self, sae: SAE):
        self.sae = sae
        self.traces = {"encode": 0, "loss": 0, "improve": 0}
        self.x = jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, DIM)), jnp.float32) * 0.7
        self.tx = optax.adam(1e-2, eps=1e-3)  # a large eps: rounding in a gradient of 0 moves nothing

    @functools.cached_property
    def fresh(self) -> dict[str, Any]:
        return self.sae.project(self.sae.init(jax.random.key(0), DIM, WIDTH))

    @functools.cached_property
    def perturbed(self) -> dict[str, Any]:
        draw = np.random.default_rng(1)

        def noisy(leaf):
            size = float(jnp.sqrt(jnp.square(leaf).mean())) or 1.0
            return leaf + jnp.asarray(0.1 * size * draw.normal(size=leaf.shape), leaf.dtype)

        return self.sae.project(jax.tree.map(noisy, self.fresh))

    @functools.cached_property
    def trained(self) -> tuple[dict[str, Any], Any, Any, dict[str, Any]]:
        """(params, optimiser state, state, log) after two steps from `fresh`."""
        params, opt, state, log = *self.start, {}
        for step in range(2):
            params, opt, state, log = self.improve(self.sae, params, opt, self.x, jnp.int32(step), state)
        return params, opt, state, log

    @property
    def state(self) -> Any:
        return self.trained[2]

    @functools.cached_property
    def eager(self) -> np.ndarray:
        return np.asarray(self.sae.encode(self.perturbed, self.x).dense())

    @functools.cached_property
    def frozen(self) -> tuple[SAE, dict[str, Any]]:
        return self.sae.freeze(self.perturbed, self.state)

    @functools.cached_property
    def start(self) -> tuple[dict[str, Any], Any, Any]:
        """(params, optimiser state, state) before the first step."""
        return self.fresh, self.tx.init(self.fresh), jax.jit(self.sae.init_state)(self.fresh)

    def context(self, state: Any, step: Any = 3) -> Context:
        return Context(step=jnp.int32(step), steps=STEPS, key=jax.random.key(5), state=state)

    def one_step(self, sae, params, opt, x, step, state):
        """`improve` as training calls it, not compiled."""
        self.traces["improve"] += 1
        return sae.improve(params, opt, x, self.context(state, step), self.tx)

    @functools.cached_property
    def improve(self) -> Callable[..., Any]:
        return jax.jit(self.one_step)

    @functools.cached_property
    def encode(self) -> Callable[..., Any]:
        def encode(sae, params, x):
            self.traces["encode"] += 1
            return sae.encode(params, x)

        return jax.jit(encode)

    @functools.cached_property
    def loss_and_grad(self) -> Callable[..., Any]:
        """((loss, code), gradient) of (sae, params, x, state)."""

        def loss(params, sae, x, state):
            self.traces["loss"] += 1
            return sae.loss(params, x, self.context(state))

        graded = jax.value_and_grad(loss, has_aux=True)
        return jax.jit(lambda sae, params, x, state: graded(params, sae, x, state))

    def codes(self, params: dict[str, Any], x: Any, sae: SAE | None = None) -> np.ndarray:
        """The dense code of the compiled `encode`."""
        return np.asarray(self.encode(self.sae if sae is None else sae, params, x).dense())


def example(variant: type[SAE] | SAE) -> SAE:
    """The SAE to check: a class is built with its defaults, and `k` brought into the tiny problem."""
    if isinstance(variant, SAE):
        sae = variant
    else:
        try:
            sae = variant()
        except TypeError as error:
            raise Broken(
                f"{variant.__name__}() must work: give every field a default ({_first_line(error)})"
            ) from error
    k = getattr(sae, "k", None)
    if isinstance(k, (int, float)) and not ACTIVE <= k <= K:
        try:
            fitted = sae.replace(k=type(k)(K))
            fitted.validate(DIM, WIDTH)
            return fitted
        except (TypeError, ValueError):
            pass  # another field is bound to k: keep it as the author wrote it
    try:
        sae.validate(DIM, WIDTH)
    except ValueError as error:
        raise Broken(
            f"{type(sae).__name__}.validate refuses dim = {DIM}, width = {WIDTH}: {error};"
            " pass an instance that fits"
        ) from error
    return sae


@functools.lru_cache(maxsize=4)
def _case(sae: SAE) -> Case:
    return Case(sae)


def checked(function: Callable[[Case], None]) -> Callable[[SAE], None]:
    """An assertion about a case as a check of an SAE: whatever goes wrong is one sentence."""

    @functools.wraps(function)
    def run(sae: SAE) -> None:
        try:
            function(_case(sae))
        except Broken:
            raise
        except Exception as error:
            raise Broken(explain(error)) from error

    return run


def explain(error: Exception) -> str:
    """What was raised, where in the author's file, and what to do if it is a known mistake."""
    own = ("/conformance/", "/site-packages/", "/importlib/", "<")
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not any(part in frame.filename for part in own)]
    core = (contract.__file__, train.__file__, optim.__file__)
    at = ([frame for frame in theirs if frame.filename not in core] or theirs or frames)[-1]
    where = f"{at.name} ({at.filename.rsplit('/', 1)[-1]}, line {at.lineno})"
    hints = {
        "TracerBoolConversionError": "Python if or while on a traced number; use jnp.where or jax.lax.cond",
        "ConcretizationTypeError": "a traced number used as a size; declare the field static(...)",
        "TracerIntegerConversionError": "a traced number used as a size; declare the field static(...)",
        "TracerArrayConversionError": "numpy on a traced array; use jax.numpy",
        "TypePromotionError": "two dtypes mixed; cast with astype to the dtype of x",
        "UnexpectedTracerError": "a traced array kept outside the function; return it instead",
    }
    for kind in type(error).__mro__:
        if kind.__name__ in hints:
            return f"{where}: {hints[kind.__name__]}"
    return f"{where} raised {type(error).__name__}: {_first_line(error)}"


def demand(condition: Any, sentence: str) -> None:
    """Raise Broken with the sentence unless the condition holds."""
    if not condition:
        raise Broken(sentence)


def close(a: Any, b: Any, rtol: float = 1e-4) -> bool:
    """Equal to `rtol` of the largest entry: float32 sums in another order differ that much."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return False
    size = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool((np.abs(a - b) <= rtol * size + 1e-12).all())


def finite(tree: Any) -> bool:
    """No NaN or infinity in any array of the tree."""
    leaves = (np.asarray(leaf) for leaf in jax.tree.leaves(jax.device_get(tree)))
    return all(np.isfinite(leaf.astype(np.float64)).all() for leaf in leaves)


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a tree of dicts by dotted name."""
    flat = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        ".".join(str(getattr(k, "key", getattr(k, "name", k))) for k in path): leaf for path, leaf in flat
    }


def along_width(tree: Any, change: Callable[[Any, int], Any]) -> Any:
    """`change(leaf, axis)` applied to each axis of each array that is as long as there are atoms."""

    def one(leaf):
        for axis in [axis for axis, size in enumerate(leaf.shape) if size == WIDTH]:
            leaf = change(leaf, axis)
        return leaf

    return jax.tree.map(one, tree)


def scaled(sae: SAE, factor: float) -> SAE:
    """The same SAE with every leaf hyperparameter multiplied, inside its range; as is if refused."""
    new = {}
    for field in dataclasses.fields(sae):
        value = getattr(sae, field.name)
        if field.metadata.get("pytree_node", True) and isinstance(value, float):
            low, high = (field.metadata.get(key) for key in ("low", "high"))
            value = value * factor
            value = value if high is None else min(value, float(high))
            new[field.name] = value if low is None else max(value, float(low))
    other = sae.replace(**new)
    try:
        other.validate(DIM, WIDTH)
    except ValueError:
        return sae
    return other


def planted(atoms: np.ndarray, rows: int, seed: int) -> tuple[Any, Any]:
    """(x, codes): rows that are sums of ACTIVE of the given atoms, values in [.5, 1.5]."""
    draw = np.random.default_rng(seed)
    codes = np.zeros((rows, len(atoms)), np.float32)
    chosen = draw.random(codes.shape).argsort(1)[:, :ACTIVE]
    np.put_along_axis(codes, chosen, draw.uniform(0.5, 1.5, chosen.shape).astype(np.float32), 1)
    return jnp.asarray(codes @ atoms), jnp.asarray(codes)


def orthonormal(count: int, dim: int) -> np.ndarray:
    """`count` orthonormal rows of length `dim`."""
    return np.linalg.qr(np.random.default_rng(2).normal(size=(dim, count)))[0].T.astype(np.float32)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
