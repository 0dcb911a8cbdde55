"""Order of text chains through any text encoder, against planted rays and published cases."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from mpsae.chain_order import chain_order


# Orders of four distances and their Kendall τ, as the metric's published examples have them.
@pytest.mark.parametrize(
    "order, tau", [((1, 2, 3, 4), 1), ((2, 1, 3, 4), 2 / 3), ((2, 1, 4, 3), 1 / 3), ((4, 3, 2, 1), -1)]
)
def test_the_order_of_distances_is_kendalls_tau(order, tau):
    chains = [[f"{item}, level {level}" for level in range(4)] for item in range(5)]

    def embed(texts):
        levels = [0 if text == "" else order[int(text[-1])] for text in texts]
        return np.outer(levels, [0.6, 0.8]) + 7

    assert chain_order(chains, embed)["tau_d"] == pytest.approx(tau)


def test_texts_on_a_ray_go_straight_on_and_sparse_rows_are_as_dense_ones():
    chains = [["a", "b", "c"]]
    lengths = {"": 0.0, "a": 1.0, "b": 2.0, "c": 4.0}

    def embed(texts):
        return np.outer([lengths[text] for text in texts], [0.0, 2.0, 0.0])

    found = chain_order(chains, embed)
    assert found == pytest.approx({"tau_d": 1, "exterior_angle": 0}, abs=1e-6)
    for form in (csr_array, csr_matrix, np.ndarray.tolist):
        assert chain_order(chains, lambda texts, form=form: form(embed(texts))) == pytest.approx(
            found, abs=1e-6
        )


def test_a_step_back_is_half_a_turn_and_a_named_root_is_taken():
    rows = {"top": [0.0, 5.0], "a": [2.0, 5.0], "b": [1.0, 5.0]}
    found = chain_order([["a", "b"]], lambda texts: np.array([rows[text] for text in texts]), root="top")
    assert found == pytest.approx({"tau_d": -1, "exterior_angle": np.pi})


def test_every_text_is_asked_for_once():
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return np.arange(3.0 * len(texts)).reshape(-1, 3)

    chain_order([["a", "a b"], ["a", "a c"]], embed)
    assert asked == [["", "a", "a b", "a c"]]


def test_what_has_no_order_is_nan():
    found = chain_order([["a", "b"]], lambda texts: np.ones((len(texts), 3)))
    assert np.isnan(found["tau_d"]) and np.isnan(found["exterior_angle"])


@pytest.mark.parametrize(
    "chains, named", [([], r"\[\]"), ([["a"]], r"\[1\]"), ([["a", "b"], ["a"]], r"\[1, 2\]")]
)
def test_chains_without_two_levels_or_of_two_lengths_are_refused(chains, named):
    with pytest.raises(ValueError, match=rf"chains of {named} texts"):
        chain_order(chains, lambda texts: np.ones((len(texts), 3)))


@pytest.mark.parametrize("shape", [(2, 3), (3,)])
def test_anything_but_a_row_for_each_text_is_refused(shape):
    with pytest.raises(ValueError, match=r"for 3 texts: must be a row for each"):
        chain_order([["a", "b"]], lambda texts: np.ones(shape))


def test_one_chain_is_no_list_of_chains():
    with pytest.raises(ValueError, match="a list of chains"):
        chain_order(["cat", "dog"], lambda texts: np.ones((len(texts), 3)))
