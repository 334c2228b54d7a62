"""Which files of a folder are read, and weights that nobody should start from: each is one line that names it."""

import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from polymath.errors import CheckpointError
from polymath.model.weights import decoder_config, load_decoder
from polymath.model.weights.tensors import open_tensors

LLAMA = Path(__file__).parents[2] / "fixtures" / "llama" / "plain"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4567\n"


def complaint_of(path: Path, tensor: str | None = None) -> str:
    with pytest.raises(CheckpointError) as raised:
        opened = open_tensors(path)
        opened.read(tensor or "")
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float32, np.float64])
def test_weights_that_are_not_finite(tmp_path: Path, value: float, dtype: type) -> None:
    weight = np.ones((700, 2000), dtype)
    weight[699, 3] = value
    save_file({"fine": np.ones(3, np.float32), "w": weight}, tmp_path / "a.safetensors")
    opened = open_tensors(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(opened.read("fine"), 1.0)
    assert complaint_of(tmp_path / "a.safetensors", "w").startswith(
        f"{tmp_path / 'a.safetensors'}: tensor 'w' is {value} at [699, 3]; "
    )
    np.savez(tmp_path / "b.npz", w=weight.astype(np.float32))
    assert f"b.npz: tensor 'w' is {value} at [699, 3]" in complaint_of(tmp_path / "b.npz", "w")


def test_a_double_beyond_single_precision_is_an_infinity(tmp_path: Path) -> None:
    save_file({"w": np.full(3, 1e300)}, tmp_path / "a.safetensors")
    assert "tensor 'w' is inf at [0]" in complaint_of(tmp_path / "a.safetensors", "w")


def test_the_shard_of_a_decoder_with_an_infinity_is_named(tmp_path: Path) -> None:
    weights = load_file(LLAMA / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    weights[name] = np.where(np.arange(weights[name].size).reshape(weights[name].shape) == 5, np.inf, weights[name])
    first, second = tmp_path / "model-00001-of-00002.safetensors", tmp_path / "model-00002-of-00002.safetensors"
    save_file({n: w for n, w in weights.items() if n != name}, first)
    save_file({name: weights[name]}, second)
    with pytest.raises(CheckpointError, match=rf"{second.name}: tensor '{name}' is inf at \[0, 5\]"):
        load_decoder(tmp_path, decoder_config(LLAMA / "config.json"))
    second.unlink()
    assert "holds 1 of 2 shards …-of-00002.safetensors" in complaint_of(tmp_path)


@pytest.mark.parametrize("dtype", [jnp.float8_e4m3fn, jnp.float8_e5m2, np.int8, np.uint8, np.int32])
def test_quantised_weights(tmp_path: Path, dtype: type) -> None:
    raw, kind = np.ones((2, 4), dtype).tobytes(), {"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}
    name = kind.get(np.dtype(dtype).name, np.dtype(dtype).name.replace("uint", "U").replace("int", "I"))
    header = json.dumps({"w": {"dtype": name, "shape": [2, 4], "data_offsets": [0, len(raw)]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + raw)
    assert f"tensor 'w' is of type {name}, but weights are read in" in complaint_of(tmp_path / "a.safetensors", "w")


def test_arrays_of_an_npz_that_are_no_weights(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", whole=np.ones(3, np.int64), half=np.ones(3, jnp.bfloat16))
    assert "array 'whole' is of type int64" in complaint_of(tmp_path / "a.npz", "whole")
    np.testing.assert_array_equal(open_tensors(tmp_path / "a.npz").read("half").astype(np.float32), 1.0)


def test_folders_that_hold_no_weights(tmp_path: Path) -> None:
    assert f"{tmp_path}: holds no .safetensors file" in complaint_of(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK")
    assert "pytorch_model.bin: it is a pickle, which may run code and is never opened" in complaint_of(tmp_path)
    assert "pytorch_model.bin: it is a pickle" in complaint_of(tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").write_bytes(POINTER)
    assert "model.safetensors: a Git LFS pointer instead of the file itself; run `git lfs pull`" in complaint_of(
        tmp_path
    )
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "adapter_config.json: the folder holds adapters" in complaint_of(tmp_path)


def test_one_file_goes_before_its_copies(tmp_path: Path) -> None:
    """A folder may hold the weights once more in another layout (consolidated.safetensors of Mistral's)."""
    shutil.copy(LLAMA / "model.safetensors", tmp_path / "model.safetensors")
    save_file({"model.norm.weight": np.zeros(32, np.float32)}, tmp_path / "other.safetensors")
    np.testing.assert_array_equal(
        open_tensors(tmp_path).read("model.norm.weight"),
        load_file(LLAMA / "model.safetensors")["model.norm.weight"],
    )
    (tmp_path / "model.safetensors").rename(tmp_path / "copy.safetensors")
    assert "tensor 'model.norm.weight' is in copy.safetensors too" in complaint_of(tmp_path)


@pytest.mark.parametrize("names", [{"w": "../x.safetensors"}, {}])
def test_an_index_of_nothing_here(tmp_path: Path, names: dict[str, str]) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert "model.safetensors.index.json: n" in complaint_of(tmp_path)


def test_an_index_that_names_a_tensor_which_no_shard_holds(tmp_path: Path) -> None:
    weights = load_file(LLAMA / "model.safetensors")
    save_file(weights, tmp_path / "a.safetensors")
    names = [*weights, "model.layers.2.ghost", "lm_head.bias"]
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": dict.fromkeys(names, "a.safetensors")})
    )
    assert (
        f"{tmp_path / 'model.safetensors.index.json'}: names tensor 'lm_head.bias' (and 1 more), which no shard holds"
    ) in complaint_of(tmp_path)


def test_a_tied_model_whose_file_holds_two_matrices(tmp_path: Path) -> None:
    """transformers 5 does not tie them then; nor is one of them taken silently here."""
    weights = load_file(LLAMA / "model.safetensors")
    settings = json.loads((LLAMA / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "tie_word_embeddings": True}))
    save_file(weights, tmp_path / "model.safetensors")
    config = decoder_config(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=r"'lm_head.weight' differs from 'model.embed_tokens.weight'"):
        load_decoder(tmp_path, config)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    assert load_decoder(tmp_path, config).output is None
