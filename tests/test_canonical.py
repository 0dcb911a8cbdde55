"""Canonical JSON is one text per value and refuses what JSON cannot say."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpsae.canonical import canonical, digest, short_id

PLAIN = (
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_round_trip_is_the_identity_and_stable(obj):
    text = canonical(obj)
    assert json.loads(text) == obj
    assert canonical(json.loads(text)) == text
    assert text.isascii()


@given(st.dictionaries(st.text(), PLAIN))
def test_key_order_does_not_matter(obj):
    assert canonical(dict(reversed(obj.items()))) == canonical(obj)


def test_text_is_as_documented():
    assert canonical({"b": (1, 0.1), "a": "é", "c": None}) == '{"a":"\\u00e9","b":[1,0.1],"c":null}'
    assert canonical(1) != canonical(1.0)


def test_digest_is_sha256_of_the_text():
    expected = hashlib.sha256(b'{"a":1}').hexdigest()
    assert digest({"a": 1}) == expected
    assert short_id({"a": 1}) == expected[:16]


@pytest.mark.parametrize(
    ("obj", "place"),
    [
        ({"fields": {"k": [1, float("nan")]}}, "fields.k[1]: nan"),
        ([{"a": float("-inf")}], "[0].a: -inf"),
        (float("inf"), "the value itself: inf"),
        ({"a": {1: 2}}, "a: key 1 is a int"),
        ({"a": {1, 2}}, "a: set is not JSON"),
    ],
)
def test_refusals_name_the_place(obj, place):
    with pytest.raises(ValueError) as refused:
        canonical(obj)
    assert str(refused.value).startswith(place)
