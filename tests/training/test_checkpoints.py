"""How arrays lie in a checkpoint, and how much of one is read at a time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from polymath.errors import CheckpointError, PolymathError
from polymath.training.checkpoint_forms import SCHEMA
from polymath.training.checkpoints import CHUNK_BYTES, Checkpoints, reading_limit, restore
from polymath.training.optimizer import State as OptimizerState
from polymath.training.spikes import no_history, nothing_left_out
from polymath.training.step import State

LARGE = (3, 2048, 9 * 1024)  # 226 MB in float32: no chunk holds it


def state(shape: tuple[int, ...]) -> Any:
    weight = jnp.asarray(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    small, zero = jnp.arange(5.0, dtype=jnp.bfloat16), jnp.zeros((), jnp.int32)
    return State(zero + 7, zero, {"weight": weight}, {"small": small}, OptimizerState(zero, {}, None))  # type: ignore[arg-type]


def test_large_arrays_are_cut_into_chunks_and_come_back_the_same(tmp_path: Path) -> None:
    saved = state(LARGE)
    with Checkpoints(tmp_path, every=1) as checkpoints:
        checkpoints.save(saved, now=True)
        restored = checkpoints.restore(jax.eval_shape(lambda: saved))
    assert all(map(np.array_equal, jax.tree.leaves(saved), jax.tree.leaves(restored)))
    with ocp.CheckpointManager(tmp_path, item_handlers=ocp.StandardCheckpointHandler()) as manager:
        large = manager.item_metadata(7).tree["trainable"]["weight"]
    assert large.shape == LARGE
    assert 4 * np.prod(large.storage.chunk_shape) <= CHUNK_BYTES


def test_the_largest_array_may_be_on_its_way_alone() -> None:
    """The restored array above also shows it: orbax refuses to read an array that is not below its limit."""
    assert round(1e9 * reading_limit(jax.eval_shape(lambda: state(LARGE)))) == 4 * np.prod(LARGE) + 1


def test_float32_comes_back_as_bfloat16_where_that_is_wanted(tmp_path: Path) -> None:
    saved = state((1024, 1024))
    with Checkpoints(tmp_path, every=1) as checkpoints:
        checkpoints.save(saved, now=True)
        target = {"weight": jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)}
        restored = checkpoints.restore(jax.eval_shape(lambda: saved)._replace(trainable=target))
    assert np.array_equal(restored.trainable["weight"], saved.trainable["weight"].astype(jnp.bfloat16))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 0.2 MB, unharmed."""
    place = tmp_path_factory.mktemp("whole") / "phase"
    with Checkpoints(place, every=1) as checkpoints:
        checkpoints.save(state((256, 256)), now=True)
    return place


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("harm", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("chosen", ["manifest.ocdbt", "_METADATA", "the largest file", "_CHECKPOINT_METADATA"])
def test_a_damaged_checkpoint_is_one_line_or_reads_the_same(
    harm: Callable[[Path], None], chosen: str, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Files that orbax does not need may be damaged; no damage changes a number."""
    place, target = tmp_path / "phase", jax.eval_shape(lambda: state((256, 256)))
    shutil.copytree(whole, place)
    files = [path for path in place.rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    victim = largest if chosen == "the largest file" else next(path for path in files if path.name == chosen)
    harm(victim)
    message, again = "", None
    try:
        again = restore(place, target)
    except CheckpointError as error:
        message = str(error)
    if again is None:
        assert message.startswith(str(place / "7"))
        assert "damaged" in message
        assert "\n" not in message
    else:
        assert chosen != "the largest file"
        assert all(map(np.array_equal, jax.tree.leaves(state((256, 256))), jax.tree.leaves(again)))
    assert capfd.readouterr().err == ""


def test_a_checkpoint_of_an_older_version_has_no_checksums(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "phase"
    shutil.copytree(whole, place)
    path = place / "7" / "_CHECKPOINT_METADATA"
    path.write_text(json.dumps({**json.loads(path.read_text()), "custom_metadata": {}}))
    again = restore(place, jax.eval_shape(lambda: state((256, 256))))
    assert np.array_equal(again.trainable["weight"], state((256, 256)).trainable["weight"])


def test_a_checkpoint_of_another_model_names_the_first_array(whole: Path) -> None:
    with pytest.raises(CheckpointError, match=r"trainable\.weight is \[256, 256\] there, the recipe needs \[8, 8\]"):
        restore(whole, jax.eval_shape(lambda: state((8, 8))))


def test_a_full_disk_is_one_line_and_leaves_the_checkpoints_before_it(
    small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = small_disk / "phase"
    with pytest.raises(PolymathError, match="the disk is full"), Checkpoints(place, every=1) as checkpoints:
        for step in range(1, 6):
            checkpoints.save(state((256, 384))._replace(step=jnp.asarray(step, jnp.int32)))
    assert "Traceback" not in capfd.readouterr().err
    assert all(path.name.isdigit() for path in place.iterdir())
    newest = restore(place, jax.eval_shape(lambda: state((256, 384))))
    assert np.array_equal(newest.trainable["weight"], state((256, 384)).trainable["weight"])


FIRST_FORM = Path(__file__).parents[1] / "fixtures" / "checkpoints" / "first_form"


def todays_target(window: int | None) -> State:
    """Of the stored checkpoint's weights, with the counters of today, and a history of so many steps."""
    zero, moments = jnp.zeros((), jnp.int32), OptimizerState(jnp.zeros((), jnp.int32), {}, None)
    small = {"small": jnp.zeros(5, jnp.bfloat16)}
    history = None if window is None else no_history(window)
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    state = State(zero, zero, {"weight": jnp.zeros((2, 3))}, small, moments, history, nothing_left_out())
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), state)


def test_a_stored_checkpoint_of_the_first_form_opens_and_its_new_counters_begin_anew() -> None:
    """By the version before `left_out`, after 101 skipped updates, with which that version ended each restart."""
    restored = restore(FIRST_FORM, todays_target(4))
    np.testing.assert_array_equal(restored.trainable["weight"], np.arange(6.0).reshape(2, 3))
    assert (int(restored.step), int(restored.skipped), int(restored.optimizer.step)) == (7, 101, 3)
    assert restored.history is not None
    np.testing.assert_array_equal(restored.history.values, np.arange(8.0).reshape(2, 4))
    assert restored.left_out is not None
    assert not np.any(restored.left_out.kinds)


@pytest.mark.parametrize("window", [None, 9])
def test_another_window_of_spikes_begins_anew(window: int | None) -> None:
    history = restore(FIRST_FORM, todays_target(window)).history
    assert (history is None) == (window is None)
    if history is not None:
        assert history.values.shape == (2, 9)
        assert int(history.seen) == 0


def test_a_checkpoint_without_a_history_gets_one_where_spikes_are_looked_for_now(tmp_path: Path) -> None:
    saved = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), todays_target(None))
    with Checkpoints(tmp_path, every=1) as checkpoints:
        checkpoints.save(saved, now=True)
    restored = restore(tmp_path, todays_target(4))
    assert restored.history is not None
    assert int(restored.history.seen) == 0
    assert np.all(np.asarray(restored.left_out.kinds) == 1)  # type: ignore[union-attr]


def test_a_checkpoint_of_a_newer_version_is_refused_by_name(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "phase"
    shutil.copytree(whole, place)
    path = place / "7" / "_CHECKPOINT_METADATA"
    metadata = json.loads(path.read_text())
    metadata["custom_metadata"]["schema"] = SCHEMA + 1
    path.write_text(json.dumps(metadata))
    with pytest.raises(CheckpointError, match=f"phase/7: has schema {SCHEMA + 1}, this version of polymath reads 1 to"):
        restore(place, jax.eval_shape(lambda: state((256, 256))))
