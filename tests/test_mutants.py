"""The suite can fail: each way to break the contract is caught by the check that is named for it."""

import mutants_in_training  # noqa: F401  registers its share of the mutants
import pytest
from mutants import BEFORE, CAUGHT, Plain

from mpsae import testing
from mpsae.sae import REGISTRY, static
from mpsae.saes.topk import TopK

OWN = {name: REGISTRY.pop(name) for name in set(REGISTRY) - BEFORE}


@pytest.fixture(autouse=True)
def registered():
    """The mutants are known while these tests run, and to no other test."""
    REGISTRY.update(OWN)
    yield
    for name in OWN:
        REGISTRY.pop(name, None)


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        pytest.param(cls, check, marks=pytest.mark.xdist_group(cls.name), id=f"{cls.__name__}-{check}")
        for cls, check in CAUGHT
    ],
)
def test_mutant_is_caught(cls, check):
    with pytest.raises(AssertionError) as caught:
        testing.CHECKS[check](testing.example(cls))
    message = str(caught.value)
    assert message and "\n" not in message and "Traceback" not in message


def test_every_check_catches_a_mutant():
    assert {check for _, check in CAUGHT} == set(testing.CHECKS)


def test_what_the_mutants_are_made_from_is_sound():
    assert all(finding.ok for finding in testing.check_sae(Plain, quick=True))


def test_a_second_class_with_an_id_is_refused():
    with pytest.raises(
        ValueError, match=r"'topk' is defined twice: in mpsae.saes.topk \(TopK\) and in .*Again"
    ):

        class Again(Plain, name="topk"):
            """A second TopK."""


def test_a_static_field_made_a_leaf_is_refused():
    with pytest.raises(ValueError, match=r"write k = static\(default=7\)"):

        class Traced(TopK, name="mutant_traced"):
            """k is traced."""

            k: int = 7


def test_foundations_end_the_list():
    found = testing.check_sae(OWN["mutant_transposed"])
    assert [finding.check for finding in found if not finding.ok] == ["init"] == [found[-1].check]


def test_assert_sae_names_variant_and_check():
    with pytest.raises(
        AssertionError, match=r"^mutant_key_ignored: init: atoms|^mutant_key_ignored: init: init"
    ):
        testing.assert_sae(OWN["mutant_key_ignored"], quick=True)


def test_a_field_without_a_default_is_one_sentence():
    class NoDefault(Plain, name="mutant_no_default"):
        """Needs a value."""

        size: int = static()

    (finding,) = testing.check_sae(NoDefault)
    REGISTRY.pop("mutant_no_default")
    assert finding.check == "build" and "give every field a default" in finding.problem
    assert testing.example(NoDefault(size=1)).size == 1
