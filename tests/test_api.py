"""The public interface: what it holds, that it costs nothing to import, and the worked page that documents it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import polymath
from polymath.errors import ConfigError, DataError

ROOT = Path(__file__).parent.parent
NAMES = {
    "ActionChunk", "Embodiment", "Observation", "Policy", "Recipe", "__version__",
    "evaluate", "load_policy", "open_dataset", "train",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    """A name that goes or comes is a change of the interface: of a version, of docs/api.md and of this list."""
    assert set(polymath.__all__) == NAMES
    assert set(dir(polymath)) >= NAMES
    for name in NAMES:
        assert getattr(polymath, name) is not None
    table = (ROOT / "docs" / "api.md").read_text().partition("**Versions.**")[0]
    documented = set(re.findall(r"^\| `(\w+)", table, flags=re.M))
    assert documented == NAMES


def test_importing_loads_nothing() -> None:
    program = "import sys; before = set(sys.modules); import polymath; print(sorted(set(sys.modules) - before))"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"jax", "numpy", "tyro", "rich"} & set(eval(child.stdout))


def test_the_types_load_no_jax() -> None:
    program = "import sys; from polymath import Observation, ActionChunk, Embodiment; print('jax' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert child.stdout == "False\n"


def test_an_unknown_name_lists_the_public_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'load_polcy'; public are .*load_policy"):
        polymath.load_polcy  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert polymath.__version__ == version("polymath-v")


def test_the_worked_page_runs(tmp_path: Path) -> None:
    """Every Python block of docs/api.md, one after the other, in one process and an empty directory."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), flags=re.M | re.S)
    assert len(blocks) >= 4
    (tmp_path / "page.py").write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: polymath.evaluate("metaword", "random", out="x"), "benchmark 'metaword': .* did you mean metaworld"),
        (lambda: polymath.evaluate(7, "random", out="x"), "a int; give a Benchmark"),
        (lambda: polymath.evaluate("metaworld", object(), out="x"), "object without name and act"),
        (lambda: polymath.evaluate("metaworld", "random"), "say with `out` where results belong"),
        (lambda: polymath.evaluate("metaworld", "random", out="x", episode=3), "no choice 'episode'"),
        (lambda: polymath.evaluate("metaworld", "random", out="x", tasks=["reach"]), "did you mean reach-"),
        (lambda: polymath.train(7, "x", "x"), "a int; give a polymath.Recipe"),
        (lambda: polymath.train("tinny", "x", "x"), "did you mean tiny"),
        (lambda: polymath.train("tiny", np.zeros(3), "x"), "a ndarray is neither a name nor an EpisodeSet"),
        (lambda: polymath.load_policy("nowhere"), "nowhere/config.json: no such file"),
    ],
)
def test_what_does_not_fit_is_a_named_error(call, message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_is_opened_with_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or directory"):
        polymath.open_dataset(tmp_path / "nowhere", episodes=["0-9", 12])
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"text": "hello"}\n')
    with pytest.raises(ConfigError, match="jsonl has no option 'cameras'"):
        polymath.open_dataset(pairs, cameras=["front", "wrist"])


def test_dir_lists_the_public_names_alone() -> None:
    child = subprocess.run(
        [sys.executable, "-c", "import polymath; print(*(n for n in dir(polymath) if not n.startswith('__')))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.split() == [name for name in sorted(polymath.__all__) if name != "__version__"]
