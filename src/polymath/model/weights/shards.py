"""Which files of a folder hold its weights.

model.safetensors                                       alone, as transformers takes it
model.safetensors.index.json + the shards that it names
*.safetensors                                           without either
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from polymath.errors import CheckpointError
from polymath.model.weights.pointers import refuse_pointer

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
GATED = ", of a gated model after access was given on its page and `hf auth login`"
CONVERT = "it is a pickle, which may run code and is never opened; fetch or convert to .safetensors"


class Shards(NamedTuple):
    """The files that hold the weights; promised: names of tensors that the folder's index says they hold."""

    files: list[Path]
    promised: frozenset[str] = frozenset()


def shards_of(path: Path) -> Shards:
    """The .safetensors files at `path`, a file or a folder.

    Raises CheckpointError where there are none, where one is missing, and for pickles and folders of adapters.
    """
    if path.suffix in PICKLES and path.is_file():
        raise CheckpointError(f"{path}: {CONVERT}")
    if path.is_file():
        return Shards([path])
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such file or directory; give a .safetensors file, a directory or an .npz")
    if (path / "adapter_config.json").exists():
        raise CheckpointError(
            f"{path / 'adapter_config.json'}: the folder holds adapters beside its weights or alone; merge them first "
            "(peft's `merge_and_unload`)"
        )
    if (path / SINGLE).exists():
        return Shards([path / SINGLE])
    if (path / INDEX).exists():
        return _of_index(path / INDEX)
    return Shards(_of_names(path))


def _of_index(index: Path) -> Shards:
    refuse_pointer(index)
    try:
        weight_map = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        names = set(weight_map.values())
        if any(Path(name).name != name for name in names):
            raise ValueError("a shard outside the folder")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{index}: not an index of shards ({error!r}); fetch it again") from None
    if not names:
        raise CheckpointError(f"{index}: names no shard; fetch it again")
    shards = [index.parent / name for name in sorted(names)]
    for shard in shards:
        if not shard.is_file():
            raise CheckpointError(
                f"{shard}: is named by {index.name} but missing; fetch the whole checkpoint again{GATED}"
            )
    return Shards(shards, frozenset(weight_map))


def _of_names(folder: Path) -> list[Path]:
    """Every .safetensors file, which must be all that the names `…-of-N` promise."""
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        pickles = sorted(file for file in folder.iterdir() if file.suffix in PICKLES)
        if pickles:
            raise CheckpointError(f"{pickles[0]}: {CONVERT}; {folder} holds no .safetensors file")
        begun = len(list(folder.rglob("*.incomplete")))
        unfinished = f", but {begun} unfinished downloads" if begun else ""
        raise CheckpointError(f"{folder}: holds no .safetensors file{unfinished}; fetch the whole checkpoint{GATED}")
    for shard in shards:
        match = re.search(r"-of-(\d+)\.safetensors$", shard.name)
        count = sum(other.name.endswith(match[0]) for other in shards) if match else 0
        if match and count != int(match[1]):
            raise CheckpointError(
                f"{folder}: holds {count} of {int(match[1])} shards …{match[0]}; fetch the whole checkpoint again"
            )
    return shards
