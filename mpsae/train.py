"""Trains a stack of SAEs that differ only in numbers: seeds, rates, penalties, worlds."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, PyTree

from mpsae import hosts, mesh, shards
from mpsae.keeper import Keeper
from mpsae.layout import Layout
from mpsae.optim import Optim
from mpsae.sae import SAE, Context
from mpsae.source import Source

CHUNK_SECONDS = 1.0
ROWS_AT_ONCE = 1024  # of `training_rows`
CHUNK_STEPS = 4  # at least: a chunk populates the pages of its buffers anew, which one step would feel


class Member(struct.PyTreeNode):
    """One SAE to train: the variant, its optimiser, and a key for each kind of chance."""

    sae: SAE
    optim: Optim
    data: Array
    init: Array
    dropout: Array


class Carry(struct.PyTreeNode):
    """Everything that changes in training; `diverged` is the step that was not finite, or -1."""

    params: PyTree
    opt: PyTree
    state: PyTree
    diverged: Array
    log: dict[str, Array]


class Trained(NamedTuple):
    """A trained member: params, state, and the step at which it diverged (-1 if it did not)."""

    params: dict[str, Array]
    state: PyTree
    diverged: int
    log: dict[str, float]


def member(sae: SAE, optim: Optim, *, data: int, init: int, dropout: int) -> Member:
    """A member from its seeds; the streams of the three seeds are independent."""
    keys = [jax.random.fold_in(jax.random.key(seed), tag) for tag, seed in enumerate((data, init, dropout))]
    return Member(sae, optim, *keys)


def training_rows(source: Source, seed: int, count: int) -> Float[np.ndarray, "count dim"]:
    """The first `count` rows of a run with this data seed and batches of `ROWS_AT_ONCE`."""
    key = jax.random.fold_in(jax.random.key(seed), 0)  # as `member` has it
    parts = [np.asarray(_batch(source, key, step)) for step in range(-(-count // ROWS_AT_ONCE))]
    return np.concatenate(parts)[:count]


@jax.jit
def _batch(source: Source, key: Array, step: int) -> Array:
    return source.batch(key, step, ROWS_AT_ONCE)


def fit(
    members: list[Member],
    sources: list[Source],
    *,
    width: int,
    report: Callable[[int, int, dict[str, np.ndarray]], Any] | None = None,
    keeper: Keeper | None = None,
    layout: Layout | None = None,
) -> list[Trained]:
    """Train all members together and return them in order.

    They must share static fields, and one source object where sources do not stack (ValueError).
    Each step of a member draws `sources[i].batch(key, step, size)`, calls `sae.improve`, and keeps the result
    only if it is finite: a member that diverges stays at its last finite params while the others
    go on unchanged. Steps run in chunks of about a second inside one compiled program;
    `report(step, steps, log)` is called between chunks. A `keeper` says where to go on from and sees the
    carry between chunks; data, keys and rate of a step follow from its number, so nothing else is kept.

    Members are spread over the devices of this process, or batches and atoms too, over those of all
    processes, as `layout` says; then every process makes the same call and gets all of the result.
    """
    _refuse_mismatch(members, sources)
    if layout is not None:
        layout.refuse_misfit(width=width, batch=members[0].optim.batch, devices=jax.device_count())
        layout.refuse_idle(jax.device_count(), jax.process_count())
    count, stackable = len(members), sources[0].stackable
    devices = mesh.member_mesh(count) if layout is None else mesh.mesh_of(layout)
    spare = -count % devices.shape["member"]  # the last member again, so that devices share evenly
    members, sources = members + members[-1:] * spare, sources + sources[-1:] * spare
    source = stack(sources) if stackable else sources[0]
    members_stack, steps = stack(members), members[0].optim.steps
    if layout is not None:
        members_stack, source = mesh.everywhere((members_stack, source), devices)
    begin, advance = _programs(devices, width, stackable, sources[0].dim)
    step, carry = 0, begin(members_stack)
    if keeper is not None:
        step, carry = keeper.restore(carry)
    start, chunk = step, max(1, min(10, steps // 2))
    while step < steps:
        stop = hosts.exchange(min(step + chunk, steps))[0]  # clocks differ
        began = time.monotonic()
        carry = jax.block_until_ready(advance(members_stack, source, carry, step, stop))
        spent, first, step = time.monotonic() - began, step == start, stop
        if not first:  # the first chunk holds the compile, which says nothing about speed
            chunk = max(CHUNK_STEPS, min(2 * chunk, int(chunk * CHUNK_SECONDS / max(spent, 1e-3))))
        if report is not None:
            report(step, steps, {name: value[:count] for name, value in mesh.on_host(carry.log).items()})
        if keeper is not None:
            keeper.look(step, steps, carry)
    return [
        Trained(one.params, one.state, int(one.diverged), {k: float(v) for k, v in one.log.items()})
        for one in unstack(carry.replace(opt=()), count)
    ]


def _refuse_mismatch(members: list[Member], sources: list[Source]) -> None:
    if not members or len(members) != len(sources):
        raise ValueError(f"fit needs one source per member: {len(members)} members, {len(sources)} sources")
    if not sources[0].stackable and any(source is not sources[0] for source in sources):
        raise ValueError("fit: members on stored rows share one source object, these are different sources")
    for part in ("sae", "optim"):
        first = getattr(members[0], part)
        for other in (getattr(member, part) for member in members[1:]):
            if type(other) is not type(first):
                names = f"{type(first).__name__} and {type(other).__name__}"
                raise ValueError(f"members differ in the type of {part}: {names} do not stack")
            for field in dataclasses.fields(first):
                a, b = getattr(first, field.name), getattr(other, field.name)
                if not field.metadata.get("pytree_node", True) and a != b:
                    raise ValueError(
                        f"members differ in {part}.{field.name} ({a!r}, {b!r}): a static field cannot vary in a stack"
                    )


def stack(trees: list[PyTree]) -> PyTree:
    """The same tree with one more leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def unstack(tree: PyTree, count: int) -> list[PyTree]:
    """The members of a stack, each on the default device alone."""
    host = mesh.on_host(tree)
    return [jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), host) for i in range(count)]


@functools.lru_cache(maxsize=64)
def _programs(devices: Mesh, width: int, stackable: bool, dim: int):
    """(begin, advance) compiled for a stack of members spread over `devices`."""
    here, everywhere = PartitionSpec("member"), PartitionSpec()

    def fresh(one: Member, width: int = width) -> Carry:
        params = one.sae.project(one.sae.init(one.init, dim, width))
        opt, state = one.optim.transform().init(params), one.sae.init_state(params)
        nothing = {"loss": jnp.float32(jnp.nan), "l0": jnp.float32(jnp.nan)}
        return Carry(params, opt, state, jnp.int32(-1), nothing)

    def placed(one: Member, carry: Carry) -> Carry:
        if not shards.several():
            return carry
        # An axis belongs to the atoms if it grows with their number.
        wider = jax.eval_shape(functools.partial(fresh, width=2 * width), one)
        return jax.tree.map(lambda leaf, wide: shards.along(leaf, wide.shape), carry, wider)

    def begin_one(one: Member) -> Carry:
        return placed(one, fresh(one))

    def advance_one(one: Member, source: Source, carry: Carry, start: Array, stop: Array) -> Carry:
        transform = one.optim.transform()

        def one_step(step: Array, carry: Carry) -> Carry:
            x = shards.placed(source.batch(one.data, step, one.optim.batch), shards.ROWS)
            key = jax.random.fold_in(one.dropout, step)
            ctx = Context(step=step, steps=one.optim.steps, key=key, state=carry.state)
            params, opt, state, log = one.sae.improve(carry.params, carry.opt, x, ctx, transform)
            log = {name: jnp.asarray(log[name], jnp.float32) for name in carry.log}
            finite = _finite((params, state, log["loss"])) & (carry.diverged < 0)
            new = Carry(params, opt, state, carry.diverged, log)
            kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, carry)
            broke = jnp.where(finite | (carry.diverged >= 0), carry.diverged, step)
            return placed(one, kept.replace(diverged=broke))

        return jax.lax.fori_loop(start, stop, one_step, carry)

    def begin(members):
        return _over(begin_one, members)

    def advance(members, source, carry, start, stop):
        if stackable:
            return _over(lambda m, s, c: advance_one(m, s, c, start, stop), members, source, carry)
        return _over(lambda m, c: advance_one(m, source, c, start, stop), members, carry)

    # Along the other axes of the mesh, where it has any, the compiler divides the work (see `shards`).
    spread = functools.partial(jax.shard_map, mesh=devices, axis_names={"member"}, check_vma=False)
    data = here if stackable else everywhere
    return (
        jax.jit(spread(begin, in_specs=(here,), out_specs=here)),
        jax.jit(
            spread(advance, in_specs=(here, data, here, everywhere, everywhere), out_specs=here),
            donate_argnums=2,
        ),
    )


def _over(function, *stacks):
    """`function` of each member: one after another where that is faster, else batched."""
    if mesh.sequential() or shards.several():
        return jax.lax.map(lambda args: function(*args), stacks)
    return jax.vmap(function)(*stacks)


def _finite(tree: PyTree) -> Array:
    # One sum per array: a NaN or inf anywhere in it survives the sum.
    return jnp.isfinite(sum(jnp.sum(leaf * 0.0) for leaf in jax.tree.leaves(tree)))
