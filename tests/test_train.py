"""A stack trains as its members would alone; seeds, chunks and neighbours change only what they may."""

from typing import ClassVar

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from mpsae import hosts, train
from mpsae.mesh import member_mesh
from mpsae.optim import Optim
from mpsae.sae import SAE, Context
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.matryoshka import Matryoshka
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.train import Member, fit, member, training_rows

DIM, WIDTH = 6, 8
OPTIM = Optim(steps=20, batch=16, lr=1e-2, warmup=3.0)


class Rows(struct.PyTreeNode):
    """A source: sparse nonnegative mixtures of fixed directions, longer by `scale`."""

    stackable: ClassVar[bool] = True

    scale: jax.Array
    dim: int = struct.field(pytree_node=False, default=DIM)

    def batch(self, key, step, size):
        place, amount = jax.random.split(jax.random.fold_in(key, step))
        on = jax.random.bernoulli(place, 0.3, (size, 10))
        directions = jax.random.normal(jax.random.key(7), (10, self.dim))
        return self.scale * (on * (1 + jax.random.uniform(amount, (size, 10)))) @ directions


class SharedRows(Rows):
    """The same rows as one source for all members, as an array source is."""

    stackable: ClassVar[bool] = False


class Recorder(SAE, abstract=True):
    """Learns nothing and keeps, as state, the batch and the key of the last step."""

    def init_state(self, params):
        return {"x": jnp.zeros((16, DIM)), "key": jnp.zeros(2, jnp.uint32), "first": params["atoms"]}

    def loss(self, params, x, ctx):
        code = MatchingPursuit(k=2, revive="none").encode(params, x)
        return jnp.square(x - self.decode(params, code)).sum(-1).mean(), code

    def update(self, params, x, code, ctx):
        return ctx.state | {"x": x, "key": jax.random.key_data(ctx.key)}


def source(scale=1.0):
    return Rows(scale=jnp.float32(scale))


def train_all(members, **options):
    return fit(members, [source()] * len(members), width=WIDTH, **options)


def same_bytes(one, two):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


VARIANTS = {
    "mp": MatchingPursuit(k=2, dropout=0.3, dropout_steps=10.0),
    "relu": ReLU(norm="init", input_scale="running", controller="integral", target_l0=1.0, control_from=0.0),
    "topk": TopK(k=2, dead_window=3.0),
    "batch_topk": BatchTopK(k=1.5, k_start=3.0, k_start_steps=5.0),
    "matryoshka": Matryoshka(prefixes=3, resort="resort"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_stack_is_close_to_solo(name):
    """Different seeds, rates and worlds in one program: each as it would be alone."""
    sae = VARIANTS[name]
    rates, scales = (3e-3, 1e-2, 2e-2), (1.0, 0.7, 1.5)
    members = [
        member(sae, OPTIM.replace(lr=rate), data=i, init=10 + i, dropout=20 + i)
        for i, rate in enumerate(rates)
    ]
    together = fit(members, [source(scale) for scale in scales], width=WIDTH)
    for one, scale, stacked in zip(members, scales, together, strict=True):
        (alone,) = fit([one], [source(scale)], width=WIDTH)
        assert stacked.diverged == alone.diverged == -1
        for a, b in zip(
            jax.tree.leaves((stacked.params, stacked.state)),
            jax.tree.leaves((alone.params, alone.state)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, float(np.abs(b).max())))
            assert a.dtype in (jnp.float32, jnp.int32) and not a.weak_type
        for key in ("loss", "l0"):
            np.testing.assert_allclose(stacked.log[key], alone.log[key], rtol=1e-5)
    assert float(jnp.abs(together[0].params["atoms"] - together[1].params["atoms"]).max()) > 0.1


@pytest.mark.parametrize("name, devices", [("mp", 1), ("batch_topk", 2)])
def test_members_batched_as_on_a_gpu_are_close_to_those_one_after_another(name, devices, monkeypatch):
    members = [member(VARIANTS[name], OPTIM, data=i, init=10 + i, dropout=20 + i) for i in range(3)]
    mapped = train_all(members)
    monkeypatch.setattr(train.mesh, "sequential", lambda: False)
    few = Mesh(np.array(jax.devices()[:devices]), ("member",))
    monkeypatch.setattr(train.mesh, "member_mesh", lambda count: few)
    train._programs.cache_clear()
    batched = train_all(members)
    train._programs.cache_clear()
    for one, other in zip(mapped, batched, strict=True):
        for a, b in zip(jax.tree.leaves(one[:2]), jax.tree.leaves(other[:2]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, float(np.abs(a).max())))


def plain_loop(sae, optim, one, rows):
    """Training as the README would tell it: draw, improve, repeat; nothing stacked or compiled whole."""
    params = sae.project(sae.init(one.init, DIM, WIDTH))
    transform = optim.transform()
    opt, state = transform.init(params), sae.init_state(params)
    losses, improve = [], jax.jit(lambda params, opt, x, ctx: sae.improve(params, opt, x, ctx, transform))
    for step in range(optim.steps):
        key = jax.random.fold_in(one.dropout, step)
        ctx = Context(step=jnp.int32(step), steps=optim.steps, key=key, state=state)
        params, opt, state, log = improve(params, opt, rows.batch(one.data, step, optim.batch), ctx)
        losses.append(float(log["loss"]))
    return params, state, losses


def test_fit_is_the_plain_loop():
    sae, optim = VARIANTS["mp"], OPTIM.replace(steps=6)
    one = member(sae, optim, data=1, init=2, dropout=3)
    params, _, losses = plain_loop(sae, optim, one, source())
    (trained,) = fit([one], [source()], width=WIDTH)
    for name, value in params.items():
        np.testing.assert_allclose(trained.params[name], value, atol=1e-5)
    np.testing.assert_allclose(trained.log["loss"], losses[-1], rtol=1e-5)


def test_equal_members_of_a_stack_are_bit_equal():
    seeds = [0, 1, 0, 2, 3, 1]  # six members on three devices: equal ones on the same and on others
    members = [member(VARIANTS["mp"], OPTIM, data=s, init=s, dropout=s) for s in seeds]
    trained = train_all(members)
    same_bytes(trained[0][:2], trained[2][:2])
    same_bytes(trained[1][:2], trained[5][:2])
    assert (trained[0].params["atoms"] != trained[1].params["atoms"]).any()


def test_chunk_boundaries_do_not_change_bytes(monkeypatch):
    long = OPTIM.replace(steps=30)
    members = [member(VARIANTS["matryoshka"], long, data=s, init=s, dropout=s) for s in range(2)]
    results, ends = [], []
    for seconds in (1e-9, 1e9):
        monkeypatch.setattr(train, "CHUNK_SECONDS", seconds)
        seen = []
        results.append(train_all(members, report=lambda step, steps, log, seen=seen: seen.append(step)))
        ends.append(seen)
    # The first chunk sets no pace (it holds the compile); after the second one the clock decides.
    assert ends == [[10, 20, 24, 28, 30], [10, 20, 30]]
    same_bytes([t[:2] for t in results[0]], [t[:2] for t in results[1]])
    assert results[0][0].log == results[1][0].log


def test_the_first_of_several_processes_says_how_long_a_chunk_is(monkeypatch):
    """By their own clocks they would do different numbers of steps, and wait for each other for ever."""
    monkeypatch.setattr(hosts, "exchange", lambda stop: [7 if stop == 10 else stop, stop])
    seen = []
    train_all([member(VARIANTS["topk"], OPTIM, data=0, init=0, dropout=0)],
              report=lambda step, steps, log: seen.append(step))  # fmt: skip
    assert seen == [7, 17, 20]


def test_report_gets_one_number_per_member_and_rising_steps():
    calls = []
    members = [member(VARIANTS["topk"], OPTIM, data=s, init=s, dropout=s) for s in range(2)]
    trained = train_all(members, report=lambda *args: calls.append(args))
    steps = [step for step, _, _ in calls]
    assert steps == sorted(set(steps)) and steps[-1] == OPTIM.steps
    assert all(total == OPTIM.steps for _, total, _ in calls)
    final = calls[-1][2]
    assert set(final) == {"loss", "l0"}
    for i in range(2):
        assert {name: float(value[i]) for name, value in final.items()} == trained[i].log


@pytest.mark.parametrize("steps", [1, 2, 3, 11])
def test_every_number_of_steps_is_trained_exactly(steps):
    one = member(Recorder(), OPTIM.replace(steps=steps), data=5, init=1, dropout=2)
    (trained,) = train_all([one])
    np.testing.assert_array_equal(trained.state["x"], source().batch(one.data, steps - 1, 16))
    wanted = jax.random.key_data(jax.random.fold_in(one.dropout, steps - 1))
    np.testing.assert_array_equal(trained.state["key"], wanted)


# --- divergence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mp", "topk"])
def test_a_diverging_member_stops_alone(name):
    sae = VARIANTS[name]

    def stack_of(rate):
        return [
            member(sae, OPTIM.replace(lr=lr), data=i, init=i, dropout=i)
            for i, lr in enumerate((1e-2, rate, 1e-2))
        ]

    broken, healthy = train_all(stack_of(1e30)), train_all(stack_of(1e-2))
    assert [t.diverged for t in healthy] == [-1, -1, -1]
    assert [broken[0].diverged, broken[2].diverged] == [-1, -1]
    for i in (0, 2):
        same_bytes(broken[i][:2], healthy[i][:2])
        assert broken[i].log == healthy[i].log
    bad = broken[1]
    assert 1 <= bad.diverged <= 3  # the rate of step 0 is 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((bad.params, bad.state)))
    assert np.isfinite(bad.log["loss"])


def test_a_diverged_member_keeps_its_last_finite_params():
    class Breaks(Recorder, abstract=True):
        """Its params count the steps until they become NaN in step 4."""

        def improve(self, params, opt, x, ctx, tx):
            grow = jnp.where(ctx.step == 4, jnp.nan, 1.0)
            log = {"loss": jnp.float32(ctx.step), "l0": jnp.float32(1)}
            return params | {"bias": params["bias"] + grow}, opt, ctx.state, log

    (trained,) = train_all([member(Breaks(), OPTIM, data=0, init=0, dropout=0)])
    assert trained.diverged == 4
    np.testing.assert_array_equal(trained.params["bias"], 4.0)  # steps 0 to 3 were kept
    assert trained.log["loss"] == 3.0


@pytest.mark.parametrize("where", ["loss", "state"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_any_number_that_is_not_finite_counts(where, value):
    class Breaks(Recorder, abstract=True):
        """One value goes wrong in step 2 and would recover in step 3."""

        def improve(self, params, opt, x, ctx, tx):
            bad = jnp.where(ctx.step == 2, value, 0.0)
            state = ctx.state | {"x": ctx.state["x"].at[3, 1].set(bad if where == "state" else 0.0)}
            log = {"loss": jnp.float32(1) + (bad if where == "loss" else 0.0), "l0": jnp.float32(1)}
            return params | {"bias": params["bias"] + 1}, opt, state, log

    (trained,) = train_all([member(Breaks(), OPTIM.replace(steps=5), data=0, init=0, dropout=0)])
    assert trained.diverged == 2
    np.testing.assert_array_equal(trained.params["bias"], 2.0)


# --- seeds --------------------------------------------------------------------------------------


def test_each_seed_changes_what_it_names_and_nothing_else():
    base = dict(data=0, init=0, dropout=0)
    variations = [base, *(base | {name: 1} for name in base)]
    states = [
        {name: np.asarray(value) for name, value in trained.state.items()}
        for trained in train_all([member(Recorder(), OPTIM, **seeds) for seeds in variations])
    ]
    shown_by = {"data": "x", "init": "first", "dropout": "key"}
    for name, state in zip(base, states[1:], strict=True):
        for seed, field in shown_by.items():
            assert (state[field] != states[0][field]).any() == (seed == name)


@pytest.mark.parametrize("count", [1, 1024, 1500])
def test_training_rows_are_the_first_of_the_data_seed(count):
    key = member(TopK(k=2), OPTIM, data=3, init=0, dropout=0).data
    expected = np.concatenate([np.asarray(source().batch(key, step, 1024)) for step in (0, 1)])[:count]
    np.testing.assert_allclose(training_rows(source(), 3, count), expected, atol=1e-6)


def test_equal_seed_numbers_do_not_give_equal_keys():
    one = member(Recorder(), OPTIM, data=3, init=3, dropout=3)
    keys = {tuple(jax.random.key_data(key).tolist()) for key in (one.data, one.init, one.dropout)}
    assert len(keys) == 3


def test_dropout_seed_matters_only_for_a_variant_that_uses_it():
    for sae, matters in [(VARIANTS["mp"], True), (VARIANTS["topk"], False)]:
        one, two = train_all([member(sae, OPTIM, data=0, init=0, dropout=s) for s in (0, 1)])
        assert (one.params["atoms"] != two.params["atoms"]).any() == matters


# --- what may share a stack ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        member(TopK(k=3), OPTIM, data=0, init=0, dropout=0),
        member(TopK(k=2), OPTIM.replace(steps=21), data=0, init=0, dropout=0),
        member(MatchingPursuit(k=2), OPTIM, data=0, init=0, dropout=0),
    ],
    ids=["k", "steps", "variant"],
)
def test_different_static_fields_are_refused(other):
    with pytest.raises(ValueError, match=r"static field|type of sae"):
        train_all([member(TopK(k=2), OPTIM, data=0, init=0, dropout=0), other])


def test_different_shared_sources_are_refused():
    members = [member(VARIANTS["topk"], OPTIM, data=0, init=0, dropout=0)] * 2
    with pytest.raises(ValueError, match="source"):
        fit(members, [SharedRows(scale=jnp.float32(scale)) for scale in (1, 100)], width=WIDTH)


def test_a_shared_source_trains_every_member_like_a_stack_of_copies():
    members = [member(VARIANTS["topk"], OPTIM, data=s, init=s, dropout=s) for s in range(2)]
    shared = SharedRows(scale=jnp.float32(1))
    one, two = fit(members, [shared, shared], width=WIDTH), train_all(members)
    for a, b in zip(
        jax.tree.leaves([t.params for t in one]), jax.tree.leaves([t.params for t in two]), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_other_numbers_do_not_recompile():
    def trained(seed, rate, l1, scale):
        members = [
            member(ReLU(l1=l1), OPTIM.replace(lr=rate), data=s, init=s, dropout=s) for s in (seed, seed + 1)
        ]
        return fit(members, [source(scale)] * 2, width=WIDTH + 1)

    train._programs.cache_clear()
    trained(0, 1e-2, 0.1, 1.0)
    programs = train._programs(member_mesh(2), WIDTH + 1, True, DIM)
    assert [program._cache_size() for program in programs] == [1, 1]
    trained(5, 3e-3, 0.7, 2.0)
    trained(9, 1e-3, 0.0, 0.5)
    assert train._programs.cache_info().currsize == 1
    assert [program._cache_size() for program in programs] == [1, 1]


def test_member_is_a_pytree_of_numbers_and_keys():
    one = member(TopK(k=2), OPTIM, data=0, init=0, dropout=0)
    assert isinstance(one, Member)
    assert not any(leaf is None for leaf in jax.tree.leaves(one))
    stacked = train.stack([one, one])
    back = train.unstack({"x": jnp.arange(6).reshape(2, 3)}, 2)
    assert stacked.optim.lr.shape == (2,)
    assert stacked.sae.k == 2
    np.testing.assert_array_equal(back[1]["x"], [3, 4, 5])
