"""A run is its JSON and its id: nothing is lost, nothing is ignored, every bad value is one sentence."""

import ast
import dataclasses
import inspect
import json
import sys
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsae import config, outcome, sweep, train
from mpsae.config import Evaluation, Run, Seed
from mpsae.optim import PAPER_TOY, Optim
from mpsae.sae import known, presets
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.source import known_sources
from mpsae.sources.arrays import Arrays
from mpsae.sources.tree20 import Tree20

DATA = "f" * 64
SAES = {name: cls() for name, cls in known().items()} | presets()
SOURCES = {name: cls(**({"path": "x.npy"} if "path" in cls.__dataclass_fields__ else {}))
           for name, cls in known_sources().items()}  # fmt: skip


def tiny(**changes):
    settled = {"source": Tree20(held_out=200), "sae": TopK(k=2), "width": 20, "optim": Optim(steps=20)}
    return Run(**(settled | changes))


numbers = st.floats(0.0, 1e30, allow_subnormal=False)
words = st.integers(0, 2**32 - 1)
runs = st.builds(
    Run,
    source=st.one_of(
        st.builds(Tree20, correlation=st.floats(-0.09, 0.9), mean=numbers, held_out=st.integers(1, 1000)),
        st.builds(Arrays, path=st.text(max_size=8).map(lambda stem: f"{stem}.npy")),
    ),
    sae=st.one_of(
        st.sampled_from(list(SAES.values())),
        st.builds(TopK, k=st.integers(1, 9), auxk=numbers),
        st.builds(BatchTopK, k=st.floats(0.5, 9.0), k_start=numbers),
        st.builds(MatchingPursuit, k=st.integers(1, 9), tol=numbers, select=st.sampled_from(["max", "abs"])),
    ),
    width=st.integers(1, 2**31 - 1),
    optim=st.builds(Optim, steps=st.integers(1, 10**9), lr=numbers, decay=st.floats(0.0, 1.0)),
    seed=st.builds(Seed, world=words, data=words, init=words, dropout=words),
    evaluation=st.builds(
        Evaluation,
        ks=st.lists(st.integers(1, 50), max_size=4).map(tuple),
        matrices=st.lists(st.sampled_from(["gram", "density"]), max_size=2).map(tuple),
        atoms=st.integers(0, 9),
        encoders=st.lists(st.sampled_from(["mp", "omp"]), max_size=2).map(tuple),
    ),
    label=st.text(max_size=12),
)


@settings(max_examples=100, deadline=None)
@given(runs)
def test_json_gives_the_run_back_and_its_id(run):
    back = Run.from_json(run.to_json())
    assert back == run and type(back.sae) is type(run.sae)
    assert back.id(DATA) == run.id(DATA) and len(run.id(DATA)) == 16
    assert back.to_json() == run.to_json()


@pytest.mark.parametrize("name", sorted(SAES))
def test_every_variant_and_preset_comes_back(name):
    run = tiny(sae=SAES[name], width=64)
    assert Run.from_json(run.to_json()) == run


def test_what_a_config_leaves_out_has_its_default():
    text = json.dumps({"source": {"name": "tree20"}, "sae": {"name": "topk"}, "width": 40})
    assert Run.from_json(text) == Run(source=Tree20(), sae=TopK(), width=40, optim=Optim())


def other(field, value):
    """A value of the same type that is not this one."""
    choices = field.metadata.get("choices")
    if choices:
        return next(choice for choice in choices if choice != value)
    half = 0.25 if value != 0.5 else 0.1  # v / 2 + 1/4 is 1/2 again at 1/2
    change = {str: lambda v: v + "x", int: lambda v: v + 1, float: lambda v: v / 2 + half}
    return (change | {tuple: lambda v: v[1:]})[type(value)](value)


def test_the_id_of_a_stored_run_is_what_it_was():
    """A literal id of results/hierarchy/full, stored before `evaluation.encoders` existed."""
    run = tiny(
        source=Tree20(),
        sae=presets()["mp_paper_toy"],
        optim=PAPER_TOY,
        evaluation=Evaluation(matrices=("gram", "cross_gram_codes", "reference_codes")),
    )
    fingerprint = run.source.build(0).fingerprint()
    assert run.id(fingerprint) == "12fede0facfe16e3"
    asked = dataclasses.replace(run.evaluation, encoders=("omp",))
    assert dataclasses.replace(run, evaluation=asked).id(fingerprint) != run.id(fingerprint)


@pytest.mark.parametrize("name", sorted(SAES))
def test_every_field_of_a_variant_that_changes_its_result_is_part_of_the_id(name):
    sae, first = SAES[name], tiny(sae=SAES[name]).id(DATA)
    for field in dataclasses.fields(sae):
        if len(field.metadata.get("choices") or "ab") == 1:
            continue  # the base has a choice, this one has none
        changed = sae.replace(**{field.name: other(field, getattr(sae, field.name))})
        identity = field.metadata.get("identity", True)
        assert (tiny(sae=changed).id(DATA) != first) == identity, field.name
        assert identity or field.name == "route"


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_field_of_a_source_that_its_data_do_not_tell_is_part_of_the_id(name):
    source, first = SOURCES[name], tiny(source=SOURCES[name]).id(DATA)
    for field in dataclasses.fields(source):
        changed = dataclasses.replace(source, **{field.name: other(field, getattr(source, field.name))})
        told = field.name in ("path", "backbone")
        told |= name == "embeddings" and field.name.startswith(("class", "rows"))
        told |= name == "arrays" and field.name.startswith(("class", "labels"))
        assert (tiny(source=changed).id(DATA) == first) == told, field.name


def test_every_other_field_is_part_of_the_id():
    run = tiny(evaluation=Evaluation(ks=(1,)))
    for name in ("optim", "seed"):
        part = getattr(run, name)
        for field in dataclasses.fields(part):
            value = other(field, getattr(part, field.name))
            changed = dataclasses.replace(run, **{name: dataclasses.replace(part, **{field.name: value})})
            assert changed.id(DATA) != run.id(DATA), f"{name}.{field.name}"
    for change in (
        {"ks": (2,)},
        {"matrices": ("gram",)},
        {"atoms": 1},
        {"examples": 1},
        {"encoders": ("mp",)},
    ):
        evaluation = dataclasses.replace(run.evaluation, **change)
        assert dataclasses.replace(run, evaluation=evaluation).id(DATA) != run.id(DATA), change
    assert {*change} <= {field.name for field in dataclasses.fields(Evaluation)}
    assert dataclasses.replace(run, width=21).id(DATA) != run.id(DATA)
    assert run.id("e" * 64) != run.id(DATA)
    assert dataclasses.replace(run, label="other").id(DATA) == run.id(DATA)


def attributes(module):
    """(names of attributes that a module reads other than to check them, modules of ours that it imports from)."""
    read, imports, left = set(), set(), [ast.parse(inspect.getsource(module))]
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef) and node.name in ("validate", "check"):
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            read.add(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            read.add(getattr(node.args[1], "value", None))
        if isinstance(node, ast.ImportFrom):
            imports |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        left += ast.iter_child_nodes(node)
    return read, {
        sys.modules[name]
        for name in imports
        if name.startswith(("mpsae", "synthetic")) and name in sys.modules
    }


READERS = {
    Optim: train,
    Evaluation: outcome,
    Seed: sweep,
}  # of the others, their own modules and what these import


@pytest.mark.parametrize(
    "kind", [*known().values(), *known_sources().values(), *READERS], ids=lambda kind: kind.__name__
)
def test_every_option_is_read_somewhere_but_where_it_is_checked(kind):
    own = {
        sys.modules[base.__module__]
        for base in kind.__mro__
        if base.__module__.startswith(("mpsae", "synthetic"))
    }
    found = [attributes(module) for module in own | ({READERS[kind]} if kind in READERS else set())]
    if kind not in READERS:
        found += map(attributes, set().union(*(imports for _, imports in found)) - own)
    unread = {field.name for field in dataclasses.fields(kind)} - set().union(*(read for read, _ in found))
    assert not unread


def test_whole_numbers_and_minus_zero_in_float_fields_change_nothing():
    pairs = (
        (tiny(sae=ReLU(l1=1)), tiny(sae=ReLU(l1=1.0))),
        (tiny(sae=BatchTopK(k=2)), tiny(sae=BatchTopK(k=2.0))),
        (tiny(optim=Optim(warmup=10)), tiny(optim=Optim(warmup=10.0))),
        (tiny(source=Tree20(mean=2)), tiny(source=Tree20(mean=2.0))),
        (tiny(sae=MatchingPursuit(tol=-0.0)), tiny(sae=MatchingPursuit(tol=0.0))),
    )
    for one, two in pairs:
        assert one.id(DATA) == two.id(DATA) and one.to_json() == two.to_json()


def test_annotations_kept_as_text_are_types_all_the_same(monkeypatch):
    """A plug-in may say `from __future__ import annotations`."""
    module = types.ModuleType("test_config_textual")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = (
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass(frozen=True)\nclass C:\n    gain: float = 1.0\n    groups: tuple = ()\n"
    )
    exec(text, module.__dict__)
    assert config.plain(module.C(gain=2)) == config.plain(module.C(gain=2.0)) == {"gain": 2.0, "groups": []}
    made = config.filled("sae", module.C, {"gain": 2, "groups": [[1, 2], [3]]})
    assert made == module.C(gain=2.0, groups=((1, 2), (3,))) and type(made.gain) is float
    with pytest.raises(ValueError, match="sae.gain = 'x': must be a number"):
        config.filled("sae", module.C, {"gain": "x"})


def edit(*path, value):
    """The JSON of a good run with one place changed."""
    content = json.loads(tiny(sae=ReLU(), evaluation=Evaluation(ks=(1,))).to_json())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(content)


# name: (config, parts of the sentence)
BAD = {
    "not json": ("{", ["not JSON", "line 1"]),
    "nested without end": ("[" * 100_000, ["not JSON"]),
    "a list": ("[]", ["must be a JSON object, not list"]),
    "top key": (edit("widht", value=3), ["widht", "did you mean 'width'"]),
    "optim key": (edit("optim", "lrr", value=3), ["optim", "lrr", "did you mean 'lr'"]),
    "sae key": (edit("sae", "l11", value=3), ["sae", "l11", "did you mean 'l1'"]),
    "seed key": (edit("seed", "wrld", value=3), ["seed", "wrld", "did you mean 'world'"]),
    "source key": (edit("source", "men", value=3), ["source", "'men'", "did you mean 'mean'"]),
    "evaluation key": (edit("evaluation", "matrix", value=[]), ["evaluation", "did you mean 'matrices'"]),
    "variant": (edit("sae", value={"name": "tpk"}), ["variant 'tpk'", "did you mean 'topk'"]),
    "source": (edit("source", value={"name": "tree2"}), ["source 'tree2'", "did you mean 'tree20'"]),
    "no sae": (edit("sae", value=None), ["sae = None", "an object with a name"]),
    "sae without name": (edit("sae", value={"k": 3}), ["sae = {'k': 3}", "an object with a name"]),
    "required field": (edit("source", value={"name": "arrays"}), ["source lacks path"]),
    "width text": (edit("width", value="3"), ["width = '3'", "integer"]),
    "width missing": (json.dumps({"source": {"name": "tree20"}, "sae": {"name": "mp"}}), ["width = None"]),
    "width 0": (edit("width", value=0), ["width = 0", "from 1"]),
    "width -1": (edit("width", value=-1), ["width = -1", "from 1"]),
    "width huge": (edit("width", value=10**30), ["width = 1000", "2**31 - 1"]),
    "k 0": (edit("sae", value={"name": "topk", "k": 0}), ["sae.k = 0", "at least 1"]),
    "k above width": (edit("sae", value={"name": "topk", "k": 21}), ["sae.k = 21", "width = 20"]),
    "k list": (edit("sae", value={"name": "topk", "k": [2]}), ["sae.k = [2]", "integer"]),
    "k true": (edit("sae", value={"name": "topk", "k": True}), ["sae.k = True", "integer"]),
    "l1 negative": (edit("sae", "l1", value=-0.1), ["sae.l1 = -0.1", "at least 0"]),
    "l1 nan": (edit("sae", "l1", value=float("nan")), ["sae.l1 = nan"]),
    "l1 infinite": (edit("sae", "l1", value=float("inf")), ["sae.l1", "inf"]),
    "norm": (edit("sae", "norm", value="tangnt"), ["sae.norm = 'tangnt'", "did you mean 'tangent'"]),
    "lr text": (edit("optim", "lr", value="x"), ["optim.lr = 'x'", "a number"]),
    "lr list": (edit("optim", "lr", value=[1]), ["optim.lr = [1]", "a number"]),
    "lr beyond floats": (edit("optim", "lr", value=10**400), ["optim.lr", "range of a float"]),
    "lr negative": (edit("optim", "lr", value=-1), ["optim.lr = -1.0"]),
    "steps 2.5": (edit("optim", "steps", value=2.5), ["optim.steps = 2.5", "integer"]),
    "steps 0": (edit("optim", "steps", value=0), ["optim.steps = 0", "at least 1"]),
    "optim not an object": (edit("optim", value=3), ["optim = 3", "an object"]),
    "seed negative": (edit("seed", "init", value=-1), ["seed.init = -1", "from 0"]),
    "seed too large": (edit("seed", "data", value=2**32), ["seed.data", "2**32 - 1"]),
    "seed true": (edit("seed", "world", value=True), ["seed.world = True", "integer"]),
    "ks 0": (edit("evaluation", "ks", value=[0]), ["evaluation.ks has 0", "from 1 to the width, 20"]),
    "ks above width": (edit("evaluation", "ks", value=[1, 21]), ["evaluation.ks has 21", "width, 20"]),
    "ks number": (edit("evaluation", "ks", value=5), ["evaluation.ks = 5", "a list"]),
    "ks text": (edit("evaluation", "ks", value=["a"]), ["evaluation.ks[0] = 'a'", "integer"]),
    "ks fraction": (edit("evaluation", "ks", value=[1.5]), ["evaluation.ks[0] = 1.5", "integer"]),
    "matrices text": (edit("evaluation", "matrices", value="gram"), ["evaluation.matrices = 'gram'", "a list"]),
    "matrices number": (edit("evaluation", "matrices", value=[1]), ["evaluation.matrices[0] = 1", "text"]),
    "matrix": (edit("evaluation", "matrices", value=["grm"]), ["evaluation.matrices", "'grm'", "'gram'"]),
    "atoms negative": (edit("evaluation", "atoms", value=-2), ["evaluation.atoms = -2", "at least 0"]),
    "examples alone": (
        edit("evaluation", value={"examples": 2}),
        ["evaluation.examples = 2", "evaluation.ks"],
    ),
    "label": (edit("label", value=3), ["label = 3", "text"]),
    "held out text": (edit("source", "held_out", value="x"), ["source.held_out = 'x'", "integer"]),
    "held out 0": (edit("source", "held_out", value=0), ["held_out = 0"]),
    "correlation": (edit("source", "correlation", value=7), ["correlation = 7"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_one_sentence_with_field_and_range(name):
    text, parts = BAD[name]
    with pytest.raises(ValueError) as caught:
        run = Run.from_json(text)
        run.validate()
        run.sae.validate(20, run.width)
        run.id(DATA)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_values_from_python_are_checked_too():
    for change, part in (
        ({"width": 2.0}, "width = 2.0"),
        ({"evaluation": Evaluation(ks=(1.0,))}, "evaluation.ks has 1.0"),
        ({"evaluation": Evaluation(encoders=("opm",))}, "did you mean 'omp'"),
        ({"evaluation": Evaluation(atoms=True)}, "evaluation.atoms = True"),
        ({"seed": Seed(world="0")}, "seed.world = '0'"),
    ):
        with pytest.raises(ValueError, match=part):
            tiny(**change).validate()


def test_one_number_seeds_every_kind_of_chance():
    assert Seed.all(7) == Seed(world=7, data=7, init=7, dropout=7)
