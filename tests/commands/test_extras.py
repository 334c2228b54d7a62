"""Without an extra, every verb that needs it says so on one line and writes nothing; `--version` says which this is."""

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from polymath import extras
from polymath.cli import main
from polymath.data.looking.rerun_recording import write_recording
from polymath.errors import ConfigError
from polymath.model.int8 import quantised

PROJECT = Path(__file__).parents[2] / "pyproject.toml"

WITHOUT = [
    ("metaworld", "sim", ["record", "metaworld", "--out", "OUT"]),
    ("mujoco", "sim", ["record", "captions", "--out", "OUT"]),
    ("mujoco", "sim", ["eval", "metaworld", "--policy", "random", "--out", "OUT"]),
    ("metaworld", "sim", ["demo", "--out", "OUT"]),
    ("daft", "data", ["data", "prepare", "PAIRS", "--tokenizer", "t.json", "--out", "OUT"]),
    ("py3langid", "data", ["data", "prepare", "PAIRS", "--tokenizer", "t.json", "--out", "OUT"]),
    ("ray", "ray", ["data", "prepare", "PAIRS", "--tokenizer", "t.json", "--out", "OUT", "--engine", "ray"]),
    ("h5py", "data", ["data", "inspect", "hdf5:HDF5"]),
    ("upath", "data", ["data", "inspect", "memory://somewhere/pairs"]),
    ("google_crc32c", "data", ["data", "inspect", "rlds:RLDS"]),
    ("splintr", "compare", ["tokenizer", "stats", "TOKENIZER", "--text", "PAIRS/a.txt", "--compare"]),
    ("libtpu", "tpu", ["plan", "polymath_v_30b", "--topology", "v4:8x8x8", "--compile"]),
]


@pytest.fixture
def places(tmp_path: Path, tiny_tokenizer: Path) -> dict[str, str]:
    """The arguments in capitals, and just as much on disk as a verb looks at before it needs the package."""
    pairs, hdf5, rlds = tmp_path / "pairs", tmp_path / "demo.hdf5", tmp_path / "rlds"
    pairs.mkdir()
    (pairs / "a.txt").write_text("push the puck\n")
    hdf5.write_bytes(b"\x89HDF\r\n\x1a\n")
    rlds.mkdir()
    names = {"OUT": tmp_path / "out", "PAIRS": pairs, "HDF5": hdf5, "RLDS": rlds, "TOKENIZER": tiny_tokenizer}
    return {name: str(path) for name, path in names.items()}


@pytest.fixture
def tiny_tokenizer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    text, out = tmp_path / "text.txt", tmp_path / "tokenizer.json"
    text.write_text("push the puck to the left\n" * 20)
    sizes = ["--vocab-size", "780", "--control-tokens", "512"]
    assert main(["tokenizer", "train", str(text), "--out", str(out), *sizes]) == 0
    capsys.readouterr()
    return out


@pytest.mark.parametrize(("module", "extra", "command"), WITHOUT, ids=[f"{' '.join(c[:2])} {m}" for m, _, c in WITHOUT])
def test_a_verb_without_its_extra(
    module: str,
    extra: str,
    command: list[str],
    places: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("POLYMATH_DEBUG", raising=False)
    for name in [name for name in sys.modules if name.startswith("polymath.data.formats.rlds")]:
        monkeypatch.delitem(sys.modules, name)  # an earlier test may have imported it with the package
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    for name, place in places.items():
        command = [argument.replace(name, place) for argument in command]
    assert main(command) == 2
    output = capsys.readouterr()
    assert f"polymath-v[{extra}]" in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""
    assert not Path(places["OUT"]).exists()


def test_a_missing_package_of_any_verb_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no verb asks beforehand the command still answers; a module that no extra brings is a bug of ours."""

    def examine() -> None:
        import_module = __import__
        import_module(missing)

    monkeypatch.delenv("POLYMATH_DEBUG", raising=False)
    monkeypatch.setattr("polymath.doctor.examine", examine)
    missing = "qwix"
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["doctor"]) == 2
    expected = "polymath: this needs qwix, which is not installed; pip install 'polymath-v[int8]'\n"
    assert capsys.readouterr().err == expected
    missing = "no_such_module_of_ours"
    with pytest.raises(ModuleNotFoundError):
        main(["doctor"])


def test_every_extra_is_one_of_the_distribution() -> None:
    declared = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert set(extras.MODULES) == set(declared) - {"gpu", "dev"}


def test_weights_in_8_bits_without_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """`eval --dtype int8` quantises once the policy is loaded; a run is too much for this test."""
    monkeypatch.setitem(sys.modules, "qwix", None)
    with pytest.raises(ConfigError, match=r"^--dtype int8 needs qwix, .*'polymath-v\[int8\]'$"):
        quantised(np.zeros((2, 2), np.float32))


def test_a_recording_without_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigError, match=r"a\.rrd needs rerun, .*'polymath-v\[look\]'$"):
        write_recording([], tmp_path / "a.rrd")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"polymath {version('polymath-v')}\n"
