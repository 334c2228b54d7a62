"""What the curve of benchmarks/transfer.py is made of; tests/demo/test_demo.py runs it on a small demo."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from benchmarks.transfer_plot import curves

from benchmarks import transfer
from polymath.data.formats.memory import MemoryEpisodes
from polymath.errors import ConfigError
from polymath.evaluation.statistics import mcnemar, paired_difference, wilson
from polymath.types import Embodiment, Episode

SETTINGS = transfer.Settings("demo", "tiny", ("a", "b"), ("seen",), 8, 1, 0, 100)


def rate(successes: int, episodes: int) -> dict[str, object]:
    return {"rate": successes / episodes, "interval": wilson(successes, episodes), "episodes": episodes}


def rows() -> list[dict[str, object]]:
    made = [("fresh", 5, 4), ("aligned", 5, 8), ("fresh", 90, 12), ("aligned", 90, 16)]
    return [{"start": s, "demonstrations": n, "seen": rate(k, 16), "all": rate(k, 16)} for s, n, k in made]


def test_the_first_demonstrations_of_every_task() -> None:
    robot = Embodiment("arm", 0, ("front",), ("x",), ("dx",), (), 10.0)
    numbers, picture = np.zeros((1, 1), np.float32), np.zeros((1, 8, 8, 3), np.uint8)
    tasks = ("a", "b", "a", "a", "b")
    episodes = MemoryEpisodes(
        robot, [Episode({"front": picture}, numbers, numbers, "go", task, "arm") for task in tasks]
    )
    assert transfer.first_of_each_task(episodes, 2) == ["episode 0", "episode 2", "episode 1", "episode 4"]
    with pytest.raises(ConfigError, match="task 'b' has 2 demonstrations, but --demonstrations names 3"):
        transfer.first_of_each_task(episodes, 3)


def test_what_each_start_begins_with(tmp_path: Path) -> None:
    trained = {start: transfer.commands(transfer.Point(start, 5), SETTINGS, tmp_path)[0] for start in transfer.STARTS}
    assert "--start" not in trained["fresh"]
    assert 'robot.optimizer.groups=[[".*", 1.0]]' in trained["fresh"]  # nothing drawn is frozen
    assert trained["aligned"][trained["aligned"].index("--start") + 1] == "demo/polymath-v"
    public = trained["public"].index("--published")
    assert trained["public"][public + 1] == f"vit={tmp_path / 'public' / 'vision'}"
    assert "--tokenizer" not in trained["public"]  # the folder has its own
    for command in trained.values():
        assert f"demo/demonstrations?episodes=@{tmp_path / 'episodes-5.txt'}" in command
        assert "robot.steps=100" in command


def test_the_difference_counts_layouts_that_one_of_the_two_solved() -> None:
    pairs = [(True, True)] * 3 + [(True, False)] * 5 + [(False, True)] + [(False, False)] * 7
    report = transfer.compared(pairs)
    assert report["difference"] == 4 / 16
    assert report["interval"] == paired_difference(5, 1, 16)
    assert report["p_value"] == mcnemar(5, 1)


def test_the_table_and_the_plot() -> None:
    lines = transfer.table({"points": rows()}).splitlines()
    assert lines[0] == "| demonstrations a task | fresh | aligned |"
    assert lines[2] == "| 5 | 25% (10–49) | 50% (28–72) |"  # Wilson's intervals of 4 and 8 of 16
    drawing = ElementTree.fromstring(curves(rows(), ["seen"]))
    circles = drawing.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 4
    assert float(circles[0].attrib["cy"]) > float(circles[1].attrib["cy"]), "more demonstrations, higher up"
