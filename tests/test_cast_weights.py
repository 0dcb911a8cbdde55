"""The folder of a CAST: what comes back, and what is refused."""

import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mpsae.cast.training import fresh
from mpsae.cast.weights import load, read_record, save
from mpsae.record import sealed


def test_params_come_back_as_float16_has_rounded_them(tmp_path):
    params = fresh(2)
    save(params, tmp_path, {"steps": 3})
    back = flatten_dict(load(tmp_path))
    for place, leaf in flatten_dict(params).items():
        assert back[place].dtype == np.float32
        np.testing.assert_array_equal(back[place], np.asarray(leaf).astype(np.float16).astype(np.float32))
    assert len(back) == len(flatten_dict(params))
    assert read_record(tmp_path)["provenance"] == {"steps": 3}


def test_what_is_damaged_or_not_a_cast_is_refused(tmp_path):
    params = fresh(2)
    save(params, tmp_path, {})
    path = tmp_path / "cast.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"\7")
    with pytest.raises(ValueError, match="cast.safetensors: damaged"):
        load(tmp_path)
    changed = params | {"class": params["class"][:, :, :3]}
    save(changed, tmp_path, {})
    with pytest.raises(
        ValueError, match=r"cast.safetensors: class must have shape \(1, 1, 64\), found \(1, 1, 3\)"
    ):
        load(tmp_path)
    save({name: value for name, value in params.items() if name != "class"}, tmp_path, {})
    with pytest.raises(ValueError, match=r"class must have shape \(1, 1, 64\), found None"):
        load(tmp_path)
    with pytest.raises(ValueError, match="class has a value that float16 cannot hold"):
        save(params | {"class": params["class"] + 1e6}, tmp_path, {})
    (tmp_path / "cast.json").write_text(sealed({"schema": "mpsae.cast/1", "weights": {}, "provenance": {}}))
    with pytest.raises(ValueError, match="cast.json: weights must be an object with bytes"):
        load(tmp_path)
