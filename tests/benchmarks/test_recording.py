"""The recorder, with an expert that fails where it is told to: order, bytes, failures, what a replay needs."""

import json
from pathlib import Path

import numpy as np
import pytest

from polymath.benchmarks.recording import ATTEMPTS, Recording, jobs_of, record
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.types import Embodiment
from polymath.workers.process import WorkerCommand

LINE = Embodiment("line", 5, ("top",), ("x", "noise"), ("dx", "dy"), (), 10.0)
HERE = str(Path(__file__).parent)


def line(*fault: str, tasks: tuple[str, ...] = ("easy", "hard", "never"), standard: tuple[str, ...] = ()) -> Benchmark:
    return Benchmark(
        name="line",
        embodiment=LINE,
        tasks=(*tasks, "undemonstrated"),
        splits={"seen": ("Seen", ""), "unseen": ("Unseen", "")},
        seeds=range(1000),
        worker=lambda plan: WorkerCommand("recording_worker", fault, plan.python, (HERE,)),
        image_size=8,
        groups={"both": tasks[:2]} if tasks else {},
        demonstrable=tasks,
        standard_tasks=standard,
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recorded(out: Path, workers: int = 1, benchmark: Benchmark | None = None, **plan: object) -> Recording:
    settings = {"tasks": ("both",), "splits": ("seen",), "episodes": 5, "workers": workers} | plan
    return record(benchmark or line(), Plan(**settings), out)  # type: ignore[arg-type]


def test_bytes_do_not_depend_on_the_number_of_workers_nor_on_a_crash(tmp_path: Path) -> None:
    one = recorded(tmp_path / "one")
    three = recorded(tmp_path / "three", workers=3)
    crashed = recorded(tmp_path / "crashed", workers=2, benchmark=line("die", str(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()
    assert tree(tmp_path / "one") == tree(tmp_path / "three") == tree(tmp_path / "crashed")
    assert one.failures == three.failures == crashed.failures
    assert (one.episodes, one.frames) == (crashed.episodes, crashed.frames)


def test_failures_are_counted_and_drawn_again(tmp_path: Path) -> None:
    """Of "hard" the even seeds fail; with 5 episodes attempt k plays seed + 5 k, so every even one succeeds next."""
    recording = recorded(tmp_path / "out", episodes=5, tasks=("hard",))
    assert recording.failures == {"hard": 3}
    episodes = LeRobotEpisodes(tmp_path / "out")
    assert len(episodes) == recording.episodes == 5
    assert [len(episodes.states(i)) for i in range(5)] == [3 + seed % 4 for seed in (5, 1, 7, 3, 9)]


@pytest.mark.parametrize(
    ("standard", "tasks"),
    [((), {"easy", "hard"}), (("easy", "undemonstrated"), {"easy"}), (("undemonstrated",), {"easy", "hard"})],
)
def test_a_plan_that_names_no_task_takes_the_standard_ones_that_can_be_shown(
    tmp_path: Path, standard: tuple[str, ...], tasks: set[str]
) -> None:
    benchmark = line(tasks=("easy", "hard"), standard=standard)
    recording = recorded(tmp_path / "out", benchmark=benchmark, tasks=(), episodes=1)
    assert set(recording.failures) == tasks


def test_every_second_episode_is_disturbed_and_seeds_are_apart() -> None:
    plan = Plan(tasks=("a", "b"), splits=("s", "t"), episodes=3, seed=2)
    jobs = jobs_of(plan, 0.25)
    assert [job.noise for job in jobs[:3]] == [0.0, 0.25, 0.0]
    assert [(job.split, job.task) for job in jobs[::3]] == [("s", "a"), ("s", "b"), ("t", "a"), ("t", "b")]
    drawn = [job.seed_of(attempt) for job in jobs[:3] for attempt in range(ATTEMPTS)]
    assert sorted(drawn) == list(range(2_000_000, 2_000_000 + 3 * ATTEMPTS))


def test_the_metadata_is_what_a_replay_needs(tmp_path: Path) -> None:
    recorded(tmp_path / "out", tasks=("easy",), episodes=2, seed=1)
    import pyarrow.parquet as pq

    rows = pq.read_table(next((tmp_path / "out/meta/episodes").rglob("*.parquet"))).to_pylist()
    second = json.loads(rows[1]["polymath/metadata"])
    assert (rows[1]["polymath/task"], second["split"], second["seed"]) == ("easy", "seen", 1_000_001)
    assert (second["action_noise"], second["renderer"]) == (0.3, "drawn")
    np.testing.assert_array_equal(json.loads(second["initial"]), [1_000_001, 1 / 3])  # to the last bit
    whole = json.loads((tmp_path / "out/meta/recording.json").read_text())
    assert whole["identity"] == {"line": "1.0"}
    assert "own" in whole["demonstrations"]


def test_an_expert_that_always_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"task 'never', split 'seen', seed 0: .* failed on 10 scenes in a row"):
        recorded(tmp_path / "out", tasks=("never",), episodes=1)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolymathError, match="exists already"):
        recorded(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tasks": ("esay",)}, "task 'esay': no such task of benchmark line"),
        ({"tasks": ("undemonstrated",)}, "task 'undemonstrated': no scripted expert of benchmark line does it"),
        ({"splits": ("sene",)}, "split 'sene'"),
        ({"cameras": ("front",)}, "camera 'front'"),
        ({"episodes": 0}, "episodes 0, seed 0: choose 1 to"),
        ({"seed": -1}, "episodes 5, seed -1"),
        ({"workers": 0}, "workers 0"),
        ({"image_size": -1}, "image_size -1"),
        ({"renderer": "oil"}, "renderer 'oil'"),
        ({"options": {"x": "1"}}, "option 'x'"),
    ],
)
def test_bad_plans_are_one_line(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        recorded(tmp_path / "out", **wrong)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_bad_noise_is_refused(tmp_path: Path, noise: float) -> None:
    with pytest.raises(ConfigError, match="action noise"):
        record(line(), Plan(tasks=("easy",), episodes=1), tmp_path / "out", noise)


def test_a_benchmark_without_an_expert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no scripted expert"):
        recorded(tmp_path / "out", benchmark=line(tasks=()))
