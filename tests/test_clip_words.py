"""Word numbers."""

import numpy as np
import pytest

from mpsae.clip.words import Words

WORDS = Words(("a", "cat", "red"), length=5)


def test_rows_start_end_and_pad():
    assert WORDS(["a red cat", "cat", ""]).tolist() == [[4, 1, 3, 2, 5], [4, 2, 5, 0, 0], [4, 5, 0, 0, 0]]
    assert WORDS.size == 6
    assert np.array_equal(WORDS(["a cat"]).argmax(1), [3])  # where open_clip reads the caption


@pytest.mark.parametrize(
    ("caption", "says"), [("a dog", "'dog' is not among the 3 words"), ("a a a a", "4 words, at most 3 fit")]
)
def test_what_cannot_be_read_is_refused(caption, says):
    with pytest.raises(ValueError, match=says):
        WORDS([caption])


def test_a_word_twice_is_refused():
    with pytest.raises(ValueError, match="a word occurs twice"):
        Words(("a", "a"), length=5)
