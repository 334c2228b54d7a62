"""Training from a prepared set: the documents of the raw sets, exact resume after a kill, errors with a remedy."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath.cli import main
from polymath.data.files import images
from polymath.data.loading.loader import Loader
from polymath.data.sequences.sequence import Document
from polymath.presets.demo import TINY
from polymath.specs import named
from polymath.tokenizer import ControlTokens, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.checkpoints import load_params
from polymath.training.datasets import DataSets, TrainingData, sort_data
from polymath.training.run import Run, open_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "data"
Said = pytest.CaptureFixture[str]


def prepare(sources: list[str], data: TrainingData, out: Path, *layout: str) -> Path:
    sizes = ["--set", "pairs_per_shard=5", "episodes_per_shard=2"]
    chosen = ["--preset", "tiny", *(["--layout", *layout] if layout else [])]
    assert (
        main(["data", "prepare", *sources, "--tokenizer", str(data.tokenizer), "--out", str(out), *chosen, *sizes]) == 0
    )
    return out


@pytest.fixture(scope="module")
def prepared(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """00-pairs, 01-pairs (their questions), 02-episodes."""
    sources = [str(data.pairs[0]), f"pointing:{data.pairs[0]}", str(data.robot)]
    return prepare(sources, data, tmp_path_factory.mktemp("prepared") / "out")


def train(out: Path, *data: object, more: tuple[str, ...] = ()) -> int:
    return main(["train", "tiny", "--data", *map(str, data), "--out", str(out), *more])


@pytest.fixture(scope="module")
def finished(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert train(out, prepared) == 0
    return out


def weights(run: Path, phase: str) -> dict[str, np.ndarray]:
    recipe = open_run(run).recipe
    params = load_params(run / "checkpoints" / phase, recipe.model, recipe.phase(phase).optimizer)
    return {name: np.asarray(weight) for name, weight in named(params)}


def test_both_phases_train_through_the_command(finished: Path, data: TrainingData) -> None:
    run = open_run(finished)
    assert (run.embodiment.name, run.data.renderer) == ("test-arm", "none")
    assert run.statistics == DataSets(TrainingData(data.robot), 64).robots[0].statistics
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert np.isfinite([line["loss"] for line in lines]).all()


def documents(run: Run, phase: str, *names: object) -> dict[str, list[Document]]:
    """Every document of an epoch of each source of the phase, without augmentation."""
    data, _ = sort_data([str(name) for name in names])
    plain = replace(TINY.augmentation, brightness=0.0, contrast=0.0, saturation=0.0)
    run = replace(run, recipe=replace(run.recipe, augmentation=plain))
    layout = replace(TINY.layout, max_images=6, max_control_steps=6)
    sources = DataSets(data, 64).sources(run, phase, layout)
    streams = [source.stream for source in sources]
    return {s.name: [d for k in range(len(s)) for d in s.row((0, 0), k)] for s in streams}


def as_bytes(document: Document) -> bytes:
    """All of a document but its pictures."""
    arrays = [value for name, value in sorted(vars(document).items()) if name != "images"]
    return b"|".join(value.tobytes() for value in arrays)


def test_the_documents_are_those_of_the_raw_sets(finished: Path, prepared: Path, data: TrainingData) -> None:
    run, pictures = open_run(finished), 0
    for phase in ("alignment", "robot"):
        raw = documents(run, phase, data.robot, data.pairs[0])
        shards = documents(run, phase, prepared)
        assert len(raw) == len(shards) == 2
        for ours, theirs in zip(shards.values(), raw.values(), strict=True):
            ours, theirs = sorted(ours, key=as_bytes), sorted(theirs, key=as_bytes)
            assert list(map(as_bytes, ours)) == list(map(as_bytes, theirs))
            for one, other in zip(ours, theirs, strict=True):
                stored = [images.decode(images.encode_jpeg(image, 95), "here") for image in other.images]
                np.testing.assert_array_equal(one.images, stored)
                pictures += len(stored)
    assert pictures == 12 + 12 + 12 + 6 * 5, "pairs and questions, pairs and a window for every control step"


KILLED = """
import os, signal, sys
from polymath.cli import main
from polymath.data.loading.loader import Loader

def dying(loader, start=0, **more):
    yield from (loader.batch(step) for step in range(start, 3))
    os.kill(os.getpid(), signal.SIGKILL)

Loader.iterate = dying
main(sys.argv[1:])
"""


def test_a_killed_run_goes_on_with_the_very_next_batch(prepared: Path, finished: Path, tmp_path: Path) -> None:
    """SIGKILL before the fourth batch of the alignment phase, whose checkpoints are of steps 2 and 4."""
    out = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, "train", "tiny", "--data", str(prepared), "--out", str(out)]
    ran = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    assert ran.returncode == -9, ran.stderr.decode()
    assert not (out / "checkpoints" / "robot").exists()
    assert train(out, prepared) == 0
    for phase in ("alignment", "robot"):
        expected, got = weights(finished, phase), weights(out, phase)
        assert all(np.array_equal(expected[name], got[name]) for name in expected), phase


def batches(run: Run, *names: object) -> Loader:
    data, _ = sort_data([str(name) for name in names])
    return Loader(DataSets(data, 64).sources(run, "robot", TINY.layout), TINY.layout, 8, 0)


def test_folders_can_be_weighed(finished: Path, prepared: Path) -> None:
    """Tiny's robot phase has 5 % pairs, that is 42 rows of 840; loss weights are 0 and 1 before they are changed."""
    run = open_run(finished)
    plain = batches(run, prepared)
    sources = [plain.place(row)[0] for row in range(840)]
    assert sources.count(0) == 42
    half = batches(run, prepared / "02-episodes?loss_weight=0.5", prepared / "00-pairs")
    shared = batches(run, f"prepared:{prepared / '02-episodes'}?loss_per=document", prepared / "00-pairs")
    row = next(row for row in range(8) if sources[row] == 1)
    normal, halved, document = (loader.batch(0, [row]) for loader in (plain, half, shared))
    np.testing.assert_array_equal(halved.loss_weights, 0.5 * normal.loss_weights)
    for segment in range(1, int(document.segment_ids.max()) + 1):
        assert document.loss_weights[document.segment_ids == segment].sum() == pytest.approx(1.0)


def test_raw_episodes_beside_prepared_pairs(finished: Path, prepared: Path, data: TrainingData) -> None:
    loader = batches(open_run(finished), f"{data.robot}?loss_weight=0.5", prepared / "00-pairs")
    assert list(loader.rows_per_epoch()) == ["00-pairs", str(data.robot)]
    batch = loader.batch(0)
    of_robot = (batch.state_index >= 0).any(axis=1)
    assert of_robot.any()
    assert set(np.unique(batch.loss_weights[of_robot])) == {0.0, 0.5}


def another_tokenizer(place: Path) -> list[str]:
    train_tokenizer([*corpus.shipped(), "quixotic zebras " * 50], 2048, ControlTokens(512)).save(place / "t.json")
    return ["--tokenizer", str(place / "t.json")]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (another_tokenizer, "tokenizer.json: the set was prepared with another tokenizer than the run's"),
        (lambda _: ["--set", "layout.length=96"], "was prepared for layout.length of 128, but the alignment phase"),
        (lambda _: ["--set", "robot.max_images=2"], "was prepared for layout.max_images of 3, but the robot phase"),
        (lambda _: ["--set", "layout.stride=2"], "was prepared for layout.stride of 1, but the alignment phase"),
        (lambda _: ["--set", "ablation.blank_images=true"], "prepared sets hold what is to be blanked"),
    ],
)
def test_runs_that_do_not_fit_the_set(
    more: Callable[[Path], list[str]], message: str, prepared: Path, tmp_path: Path, capsys: Said
) -> None:
    phases = ("--phases", "robot") if "robot phase" in message else ()
    assert train(tmp_path / "run", prepared, more=(*phases, *more(tmp_path))) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists(), "so that the same directory can be used with another setting"


def test_sets_that_are_not_whole(prepared: Path, finished: Path, tmp_path: Path, capsys: Said) -> None:
    copy = shutil.copytree(prepared, tmp_path / "copy")
    (copy / "02-episodes" / "shard-000001.array_record").unlink()
    assert train(tmp_path / "run", copy) == 2
    assert "shard-000001.array_record: no such file, nor 0 more of 3 shards; copy the whole" in capsys.readouterr().err
    (copy / "prepared.json").unlink()
    assert train(tmp_path / "run", f"prepared:{copy}") == 2
    assert "prepared.json: no such file; `polymath data prepare` writes it last" in capsys.readouterr().err
    assert train(tmp_path / "run", prepared / "00-pairs") == 2
    assert "a run is for one robot, but its episodes are: none" in capsys.readouterr().err
    assert train(tmp_path / "run", prepared / "00-pairs", prepared / "02-episodes") == 2
    assert "the alignment phase trains on pointing (95% of its rows), but --data holds none" in capsys.readouterr().err


def test_another_set_in_the_same_run_is_refused(
    prepared: Path, finished: Path, data: TrainingData, tmp_path: Path, capsys: Said
) -> None:
    other = prepare(
        [str(data.pairs[0]), f"pointing:{data.pairs[0]}", str(data.robot)], data, tmp_path / "o", "length=128"
    )
    moved = shutil.copytree(prepared, tmp_path / "moved")
    assert train(finished, moved) == 0, "the same set at another place"
    (other / "plan.json").write_text((other / "plan.json").read_text().replace('"seed": 0', '"seed": 1'))
    assert train(finished, other) == 2
    assert "alignment.json, data:" in capsys.readouterr().err


def test_several_robots(data: TrainingData, tmp_path: Path, capsys: Said) -> None:
    """The test arm and BridgeData's, of 4 and 7 actions: the run is wide enough for both, and is for the one chosen."""
    rlds = f"rlds:{FIXTURES / 'rlds' / 'tfrecord' / 'bridge_dataset'}"
    wide = ("action_dim=7", "state_dim=7", "max_images=6")
    sources = [str(data.robot), rlds]
    sizes = ["--set", "max_bad_share=0.5"]
    chosen = ["--preset", "tiny", "--layout", *wide, "--tokenizer", str(data.tokenizer), "--out", str(tmp_path / "p")]
    assert main(["data", "prepare", *sources, *chosen, *sizes]) == 0
    more = ("--set", "robot.steps=2", "layout.max_images=6")
    assert train(tmp_path / "run", tmp_path / "p", more=more) == 2
    assert "holds several robots, 00-episodes (test-arm), 01-bridge_dataset (widowx-bridge)" in capsys.readouterr().err
    assert train(tmp_path / "run", tmp_path / "p", more=(*more, "--controls", "01-bridge_dataset")) == 0
    run = open_run(tmp_path / "run")
    assert (run.embodiment.name, run.recipe.layout.action_dim) == ("widowx-bridge", 7)


def test_a_damaged_record_costs_its_row_and_is_listed(
    prepared: Path, finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One flipped byte of a window: the run ends, other rows stand in, and one fault is listed."""
    damaged = tmp_path / "damaged"
    shutil.copytree(prepared, damaged)
    shard = sorted((damaged / "02-episodes").glob("*.array_record"))[0]
    content = bytearray(shard.read_bytes())
    place = content.index(b"\xff\xd8\xff")  # in the first picture, a JPEG
    content[place + 200] ^= 1
    shard.write_bytes(bytes(content))
    out = tmp_path / "run"
    assert train(out, damaged) == 0
    faults = [json.loads(line) for line in (out / "quarantine" / "robot.jsonl").read_text().splitlines()]
    assert [(fault["source"], fault["kind"]) for fault in faults] == [("02-episodes", "checksum")]
    assert faults[0]["reason"] in caplog.text
    assert not (finished / "quarantine").exists()
