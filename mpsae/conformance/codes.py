"""What a code may depend on: its own row, the params, nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.code import Code
from mpsae.conformance.case import (
    BATCH,
    DIM,
    WIDTH,
    Case,
    along_width,
    checked,
    close,
    demand,
    finite,
    orthonormal,
    planted,
    scaled,
)
from mpsae.norms import sphere


@checked
def finiteness(case: Case) -> None:
    """Code, loss and gradient stay finite on rows that are 0, huge, tiny, negated or an atom."""
    for kind, params in (("fresh", case.fresh), ("perturbed", case.perturbed)):
        atoms = params["atoms"][jnp.arange(BATCH) % WIDTH]
        mixed = jnp.where(jnp.arange(BATCH)[:, None] % 3 == 0, 0.0, case.x)
        rows = {
            "of zeros": jnp.zeros_like(case.x),
            "times 1e4": case.x * 1e4,
            "times 1e-6": case.x * 1e-6,
            "negated": -case.x,
            "equal to an atom": atoms,
            "partly zero": mixed,
        }
        for what, x in rows.items():
            (loss, code), grad = case.loss_and_grad(case.sae, params, x, case.state)
            for name, value in (("the training code", code), ("the loss", loss), ("the gradient", grad)):
                demand(finite(value), f"{name} is not finite for rows {what} ({kind} params); {_DIVISION}")
            demand(
                finite(case.encode(case.sae, params, x)),
                f"encode is not finite for rows {what} ({kind} params); {_DIVISION}",
            )


_DIVISION = "look for a division, root or logarithm at 0"


@checked
def sparsity(case: Case) -> None:
    """At most k latents are active in a row, also when all atoms are equal (for coupled rows: on average)."""
    k = getattr(case.sae, "k", None)
    if k is None:
        return
    same = along_width(
        case.perturbed, lambda leaf, axis: jnp.broadcast_to(jnp.take(leaf, jnp.array([0]), axis), leaf.shape)
    )
    for what, params in (("", case.perturbed), (" with equal atoms (a tie must not keep all)", same)):
        for x in (case.x, -case.x):
            active = np.asarray(case.encode(case.sae, params, x).l0())
            if case.sae.couples_batch:
                budget = int(k * BATCH) + getattr(case.sae, "extra", 0)
                demand(
                    active.sum() <= budget,
                    f"encode: {active.sum()} latents are active in a batch of {BATCH}{what},"
                    f" the budget k·{BATCH} is {budget}",
                )
            else:
                demand(
                    active.max() <= k,
                    f"encode: {active.max()} latents are active in a row{what}, at most k = {k} may be",
                )


@checked
def rows(case: Case) -> None:
    """The code of a row does not depend on the other rows; for coupled variants, once frozen."""
    sae, params = case.frozen
    forms = [("the frozen form: ", sae, params)]
    if not case.sae.couples_batch:
        forms.append(("", case.sae, case.perturbed))
    hint = (
        "couples_batch = True and a freeze without it"
        if not case.sae.couples_batch
        else "freeze to a row form"
    )
    for what, form, params in forms:
        together = case.codes(params, case.x, form)
        for i in (0, 7, BATCH - 1):
            demand(
                close(together[i], case.codes(params, case.x[i : i + 1], form)[0]),
                f"{what}encode gives row {i} another code in a batch than alone; remove what is computed"
                f" over the batch, or declare {hint}",
            )


@checked
def repeatable(case: Case) -> None:
    """Two calls give the same code: no chance, no memory."""
    again = np.asarray(case.sae.encode(case.perturbed, case.x).dense())
    demand(
        np.array_equal(case.eager, again),
        "encode gives two codes for one input; chance belongs in loss, from ctx.key, and memory in state",
    )


@checked
def exchangeable(case: Case) -> None:
    """Permuting the atoms (and every param along them) permutes the code, unless orders_atoms."""
    if case.sae.orders_atoms:
        return
    order = jnp.asarray(np.random.default_rng(3).permutation(WIDTH))
    moved = along_width(case.perturbed, lambda leaf, axis: jnp.take(leaf, order, axis))
    demand(
        close(case.codes(moved, case.x), case.codes(case.perturbed, case.x)[:, order]),
        "encode: permuting the atoms does not permute the code, so latents are treated unequally by"
        " position; declare orders_atoms = True if that is meant",
    )


@checked
def compiled(case: Case) -> None:
    """encode and loss give the same under jit, and new numbers cause no new trace."""
    sae, params, x = case.sae, case.perturbed, case.x
    demand(
        close(case.codes(params, x), case.eager),
        "encode gives another code under jit than without",
    )
    eager = sae.loss(params, x, case.context(case.state))[0]
    demand(
        close(case.loss_and_grad(sae, params, x, case.state)[0][0], eager),
        "loss gives another value under jit than without",
    )
    before = dict(case.traces)
    case.encode(scaled(sae, 1.1), case.fresh, x * 2)
    case.loss_and_grad(scaled(sae, 1.1), case.fresh, x * 2, case.state)
    for name in ("encode", "loss"):
        demand(
            case.traces[name] == before[name],
            f"{name} is traced again for new numbers of the same shape; it must not depend on Python state",
        )


@checked
def steps(case: Case) -> None:
    """`steps` is `encode` in order of selection, and one more step never raises the error."""
    if not hasattr(case.sae, "steps"):
        return
    pursuit: Any = case.sae
    taken = jax.jit(lambda params, x: pursuit.steps(params, x))
    for params in (case.fresh, case.perturbed):
        indices, values = taken(params, case.x)
        listed = Code(values=values, indices=indices, width=WIDTH).dense()
        demand(
            close(listed, case.codes(params, case.x)),
            "steps(params, x) does not add up to encode(params, x); compute one from the other",
        )
    if not set(case.fresh) <= {"atoms", "bias"}:
        return  # with analysis rows of their own, a step may overshoot
    params = case.fresh | {"atoms": sphere(case.fresh["atoms"])}
    before = np.asarray(jnp.square(case.x).sum(-1))
    for count in range(1, int(getattr(case.sae, "k", values.shape[1])) + 1):
        rebuilt = case.sae.decode(params, _after(case, params, count))
        error = np.asarray(jnp.square(case.x - rebuilt).sum(-1))
        worst = int((error - before).argmax())
        demand(
            error[worst] <= before[worst] * (1 + 1e-4) + 1e-6,
            f"step {count} raises the squared error of row {worst} from {before[worst]:.3g} to"
            f" {error[worst]:.3g} (unit atoms); subtract each chosen atom from the residual",
        )
        before = error


def _after(case: Case, params, count: int) -> Code:
    """The code with `count` steps: from a smaller k, or the first steps where k is bound."""
    try:
        fewer = case.sae.replace(k=count)
        fewer.validate(DIM, WIDTH)
        return case.encode(fewer, params, case.x)
    except (TypeError, ValueError):
        pursuit: Any = case.sae
        indices, values = pursuit.steps(params, case.x)
        return Code(values=values[:, :count], indices=indices[:, :count], width=WIDTH)


@checked
def nested(case: Case) -> None:
    """What calls itself nested is: the code at k is the first k entries of the code at a larger k."""
    if not case.sae.nested:
        return
    most = int(getattr(case.sae, "k", 0))
    demand(most > 1, "nested is True but there is no integer field k; leave `nested` out")
    whole = case.encode(case.sae, case.perturbed, case.x)
    demand(whole.indices is not None, "nested is True but encode gives a dense code; leave `nested` out")
    first = Code(values=whole.values[:, :1], indices=whole.indices[:, :1], width=WIDTH)
    demand(
        close(first.dense(), case.codes(case.perturbed, case.x, case.sae.replace(k=1))),
        "nested is True but the code at k = 1 is not the first entry of the code at a larger k;"
        " order the entries, or leave `nested` out",
    )


@checked
def true_atoms(case: Case) -> None:
    """With atoms and bias as the only params: true orthonormal atoms give back the planted codes."""
    if not set(case.fresh) <= {"atoms", "bias"}:
        return
    atoms = orthonormal(DIM, DIM)
    x, codes = planted(atoms, BATCH, 4)
    params = {"atoms": jnp.asarray(atoms)} | ({"bias": jnp.zeros(DIM)} if "bias" in case.fresh else {})
    found = case.codes(params, x)
    # The cosine leaves room for a variant that shrinks its codes.
    size = np.linalg.norm(found, axis=1) * np.linalg.norm(codes, axis=1)
    cosine = (found * codes).sum(1) / np.maximum(size, 1e-9)
    worst = int(cosine.argmin())
    demand(
        cosine[worst] > 0.95,
        f"encode with the true orthonormal atoms misses the planted code of row {worst} (cosine"
        f" {cosine[worst]:.2f}, must exceed .95): are values and indices paired?",
    )
