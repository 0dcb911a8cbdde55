"""Training: the loss is a mean, every param learns, a step keeps its shapes, and it works."""

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.conformance.case import (
    BATCH,
    DIM,
    PLANTED,
    STEPS,
    WIDTH,
    Case,
    checked,
    close,
    demand,
    finite,
    named,
    orthonormal,
    planted,
    scaled,
)
from mpsae.optim import Optim
from mpsae.sae import Context
from mpsae.train import stack


@checked
def mean_loss(case: Case) -> None:
    """The loss is a mean over rows: the same when the batch is repeated."""
    half = case.x[: BATCH // 2]
    twice = case.loss_and_grad(case.sae, case.perturbed, jnp.concatenate([half, half]), case.state)[0][0]
    once = jax.jit(lambda params, x: case.sae.loss(params, x, case.context(case.state))[0])(
        case.perturbed, half
    )
    demand(jnp.shape(once) == (), f"loss has shape {jnp.shape(once)}, must be one number")
    # A budget shared by the batch need not divide equally among its copies.
    demand(
        close(once, twice, 0.05 if case.sae.couples_batch else 1e-4),
        f"loss changes from {float(once):.6g} to {float(twice):.6g} when every row is there twice;"
        " take means over rows, not sums",
    )


@checked
def gradients(case: Case) -> None:
    """Every param gets a finite gradient that is not 0, unless named in `idle`."""
    grads = named(case.loss_and_grad(case.sae, case.perturbed, case.x, case.state)[1])
    for name, grad in grads.items():
        demand(finite(grad), f"the gradient of params {name} is not finite")
        idle = any(name == other or name.startswith(other + ".") for other in case.sae.idle)
        demand(
            idle or bool(jnp.any(grad != 0)),
            f"params {name} gets no gradient: keep what is not trained in state, remove a stop_gradient,"
            f" or declare idle = ({name.split('.')[0]!r},)",
        )


@checked
def projection(case: Case) -> None:
    """`project` changes nothing the second time, keeps the structure and survives a zero atom."""
    once = case.sae.project(case.perturbed)
    _same("project", case.perturbed, once)
    twice = named(case.sae.project(once))
    for name, value in named(once).items():
        demand(close(value, twice[name], 1e-5), f"project changes {name} again when applied twice")
    dead = case.perturbed | {"atoms": case.perturbed["atoms"].at[0].set(0.0)}
    demand(
        finite(case.sae.project(dead)),
        "project is not finite with an atom of zeros; guard the division (see mpsae.norms.lengths)",
    )
    grads = jax.tree.map(jnp.ones_like, dead)
    _same("project_grad", grads, case.sae.project_grad(dead, grads))
    demand(finite(case.sae.project_grad(dead, grads)), "project_grad is not finite with an atom of zeros")


@checked
def step_shapes(case: Case) -> None:
    """`improve` and `update` keep structure, shapes and dtypes, and log a finite loss and l0."""
    params, opt, state = case.start
    after = jax.eval_shape(case.one_step, case.sae, params, opt, case.x, jnp.int32(0), state)
    demand(
        isinstance(after, tuple) and len(after) == 4,
        "improve must return (params, optimiser state, state, log)",
    )
    what = ("improve: params", "improve: the optimiser state", "update: the state")
    for name, old, new in zip(what, case.start, after[:3], strict=True):
        _same(name, old, new)
    log = case.trained[3]
    for name in ("loss", "l0"):
        demand(name in log, f"improve: its log has no {name!r}")
        demand(
            jnp.shape(log[name]) == () and finite(log[name]),
            f"improve: {name} in its log must be one finite number",
        )
    demand(finite(case.trained[:3]), "params or state are not finite after two training steps")


@checked
def one_compile(case: Case) -> None:
    """The second and third training step reuse the program of the first."""
    params, opt, state = case.start
    counts = []
    for step in range(3):
        params, opt, state, _ = case.improve(
            case.sae, params, opt, case.x * (step + 1), jnp.int32(step), state
        )
        counts.append(case.traces["improve"])
    weak = [name for name, leaf in named(case.start[2]).items() if getattr(leaf, "weak_type", False)]
    hint = f"; start state {weak[0]} as jnp.float32(...), not as a Python number" if weak else ""
    demand(
        counts[0] == counts[2], f"training step 2 compiles again; keep the types of params and state{hint}"
    )


@checked
def stacked(case: Case) -> None:
    """A stack of two members (seeds and leaf hyperparameters differ) steps as each of them alone."""
    saes = [case.sae, scaled(case.sae, 1.1)]
    state = case.start[2]
    alone = []
    for sae, params in zip(saes, (case.fresh, case.perturbed), strict=True):
        alone.append((sae, params, case.tx.init(params), case.x, jnp.int32(0), state))
    together = jax.jit(jax.vmap(case.one_step))(*stack(alone))
    for i, args in enumerate(alone):
        single = named(case.improve(*args)[::2])
        for name, value in named(jax.tree.map(lambda leaf, i=i: leaf[i], together[::2])).items():
            demand(
                close(value, single[name], 1e-3),
                f"improve under vmap gives another {name} than for the member alone",
            )


@checked
def learns(case: Case) -> None:
    """300 Adam steps on sums of 2 of 12 orthonormal atoms leave less than .05 of the variance."""
    atoms, optim = orthonormal(PLANTED, DIM), Optim(steps=STEPS, batch=128, lr=1e-2, warmup=10.0)
    x = planted(atoms, 4096, 7)[0]
    held = planted(atoms, 8 * BATCH, 8)[0]
    tx, rows = optim.transform(), optim.batch

    def one_step(step, carry):
        params, opt, state = carry
        batch = jax.lax.dynamic_slice_in_dim(x, (step * rows) % len(x), rows)
        key = jax.random.fold_in(jax.random.key(9), step)
        ctx = Context(step=step, steps=STEPS, key=key, state=state)
        return case.sae.improve(params, opt, batch, ctx, tx)[:3]

    @jax.jit
    def train(params):
        carry = params, tx.init(params), case.sae.init_state(params)
        return jax.lax.fori_loop(0, STEPS, one_step, carry)

    params, _, state = train(case.fresh)
    sae, params = case.sae.freeze(params, state)
    # Piece by piece: the program for one batch is there already.
    pieces = held.reshape(-1, BATCH, DIM)
    rebuilt = jnp.concatenate([sae.decode(params, case.encode(sae, params, piece)) for piece in pieces])
    fvu = float(jnp.square(held - rebuilt).sum() / jnp.square(held - held.mean(0)).sum())
    demand(
        fvu < 0.05,
        f"after {STEPS} Adam steps on sums of 2 of {PLANTED} orthonormal atoms (width {WIDTH}), {fvu:.3g}"
        " of the variance is unexplained, must be below .05: do encode, decode and loss fit together?",
    )


def _same(what: str, old, new) -> None:
    before, after = jax.tree.structure(old), jax.tree.structure(new)
    demand(
        bool(before == after),  # type: ignore[operator]
        f"{what} changes structure: {', '.join(named(old)) or 'nothing'} becomes"
        f" {', '.join(named(new)) or 'nothing'}",
    )
    after = named(new)
    for name, leaf in named(old).items():
        was, now = (np.shape(leaf), leaf.dtype), (np.shape(after[name]), after[name].dtype)
        demand(was == now, f"{what}: {name} was {was[1]} {was[0]} and becomes {now[1]} {now[0]}")
