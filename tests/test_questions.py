"""The contested questions are complete, and a claim can only be about one of them."""

import pytest

from mpsae.claim import Claim, Compare
from mpsae.experiment import find, known
from mpsae.questions import QUESTIONS


def test_there_are_eight_and_each_has_two_sides():
    assert list(QUESTIONS) == [f"C{i}" for i in range(1, 9)]
    for name, question in QUESTIONS.items():
        assert question.id == name
        for text in (question.claim, question.supported_by, question.disputed_by):
            assert text.endswith(".") and "\n" not in text


@pytest.mark.parametrize(
    "make",
    [
        lambda about: Claim("MP wins", "fvu", bool, high=1.0, about=about),
        lambda about: Compare("MP wins", "fvu", bool, bool, "lower", about=about),
    ],
)
def test_a_claim_about_no_known_question_is_refused(make):
    assert make("C8").about == "C8" and make("").about == ""
    with pytest.raises(ValueError, match="question of claim 'MP wins': 'C11': known are C1, .*mean 'C1'"):
        make("C11")


def test_the_claims_of_the_experiments_say_where_they_are_tested():
    claims = [claim for name in known() for claim in find(name).claims]
    assert {claim.about for claim in claims} >= {"C1", "C4", "C5", "C6", "C7", "C8"}
    assert all(claim.setting for claim in claims if claim.about)
