"""The command as a user meets it: help, errors on one line, exit statuses."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polymath import cli
from polymath.cli import main
from polymath.errors import DataError

VERBS = [
    ["compare"],
    ["data", "doctor"],
    ["data", "inspect"],
    ["data", "prepare"],
    ["demo"],
    ["doctor"],
    ["eval"],
    ["eval-openloop"],
    ["eval-real"],
    ["export"],
    ["import"],
    ["inspect"],
    ["plan"],
    ["presets"],
    ["record", "bridge"],
    ["record", "calvin"],
    ["record", "calvin-captions"],
    ["record", "libero-captions"],
    ["record", "captions"],
    ["record", "libero"],
    ["record", "metaworld"],
    ["tokenizer", "encode"],
    ["tokenizer", "stats"],
    ["tokenizer", "train"],
    ["serve"],
    ["setup"],
    ["train"],
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--help"])
    assert ended.value.code == 0
    typed = " ".join(verb).replace("eval-", "eval ")  # two words on the command line
    assert f"polymath {typed}" in capsys.readouterr().out.split("Example:")[1]


def test_verbs_are_all_listed_here() -> None:
    def walk(app: cli.SubcommandApp) -> list[list[str]]:
        paths = []
        for name, spec in app._subcommands.items():
            nested = isinstance(spec.target, cli.SubcommandApp)
            paths += [[name, *rest] for rest in walk(spec.target)] if nested else [[name]]
        return paths

    assert sorted(walk(cli.app)) == sorted(VERBS)


def test_help_answers_at_once() -> None:
    """Less than a second of CPU: no jax, no simulator is imported to print it."""
    program = "import sys; from polymath.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print('HEAVY', sorted({'jax', 'numpy', 'mujoco', 'av', 'pyarrow', 'orbax'} & set(sys.modules)))"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "HEAVY []" in child.stdout
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert used < 1.0, "measured: 0.3 s of CPU; the bound allows for slower machines, and not for importing jax"


def _fails(error: BaseException) -> object:
    def examine() -> None:
        raise error

    return examine


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYMATH_DEBUG", raising=False)
    monkeypatch.setattr("polymath.doctor.examine", _fails(DataError("a.tar: member 3: truncated; copy it again")))
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "polymath: a.tar: member 3: truncated; copy it again\n"


@pytest.mark.parametrize(
    "command",
    [
        ["train", "tiny", "--data", "episodes", "--out", "gs://bucket/run"],
        ["record", "metaworld", "--out=s3://bucket/episodes"],
        ["data", "prepare", "pairs", "--tokenizer", "t.json", "--out", "memory://prepared"],
        ["data", "doctor", "episodes", "--write", "s3://bucket/keep.txt"],
    ],
)
def test_an_object_store_is_no_place_for_results(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    assert "an object store; everything is written to local directories" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "no folder named gs: or s3:"


def test_debug_shows_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMATH_DEBUG", "1")
    monkeypatch.setattr("polymath.doctor.examine", _fails(DataError("a.tar: truncated")))
    assert main(["doctor"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polymath.doctor.examine", _fails(KeyboardInterrupt()))
    assert main(["doctor"]) == 130
    assert "Run the same command again" in capsys.readouterr().err


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only PolymathError is a message to the user; a bug keeps its traceback."""
    monkeypatch.setattr("polymath.doctor.examine", _fails(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


@pytest.mark.parametrize("arguments", [["docter"], ["doctor", "--jsno"], []])
def test_wrong_usage_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "polymath --help" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    script = Path(sys.executable).with_name("polymath")
    piped = f"set -o pipefail; {script} doctor --json | head -n 1"
    child = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
    assert child.stdout == "{\n"
    assert "Traceback" not in child.stderr


def test_tokenizer_verbs_work_on_each_others_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "tokenizer.json"
    text.write_text("push the puck to the left\n" * 20)
    train = ["tokenizer", "train", str(text), "--out", str(out), "--vocab-size", "780", "--control-tokens", "512"]
    assert main([*train, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(out),
        "vocab_size": 780,
        "control_tokens": 512,
        "merges": 780 - 512 - 256,
    }
    assert main(["tokenizer", "encode", str(out), "push the puck", "--json"]) == 0
    encoded = json.loads(capsys.readouterr().out)
    assert "".join(encoded["pieces"]) == "push the puck"
    assert all(512 <= token < 780 for token in encoded["ids"])
    assert main(["tokenizer", "stats", str(out), "--text", str(text), "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["vocab_size"], stats["control_tokens"]) == (780, 512)
    assert (stats["bytes"], stats["words"]) == (26 * 20, 6 * 20)
    assert stats["bytes_per_token"] == 26 * 20 / stats["tokens"] > 1
    assert stats["texts"][0]["path"] == str(text)
    assert main(["tokenizer", "stats", str(out), "--text", str(text), str(text)]) == 0
    assert "bytes per token" in capsys.readouterr().out


def test_tokenizer_errors_come_through_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("short")
    out = tmp_path / "tokenizer.json"
    assert main(["tokenizer", "train", str(text), "--out", str(out), "--vocab-size", "5000"]) == 2
    assert "the text gives only 4352 of 5000 entries" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--native", "out"], "--native out: is --out as well"),
        (["--picture-every", "0"], "--picture-every 0: choose at least 1"),
        (["--image-size", "0"], "image_size 0: the cameras of calvin differ in size"),
        (["--tasks", "chain"], "task 'chain': no scripted expert"),
        (["--splits", "E"], "split 'E': no such split"),
        (["--cameras", "rgb_static", "rgb_static"], "names one twice"),
    ],
)
def test_a_recording_that_cannot_be_is_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYMATH_CALVIN_PYTHON", sys.executable)
    assert main(["record", "calvin", "--out", "out", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_recording_and_looking_at_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "episodes", tmp_path / "sheet.png"
    record = ["record", "metaworld", "--tasks", "reach-left", "--episodes", "1", "--workers", "1", "--out", str(out)]
    assert main([*record, "--json"]) == 0
    recorded = json.loads(capsys.readouterr().out)
    assert recorded["episodes"] == 1
    assert main(["data", "inspect", str(out), "--sheet", str(sheet), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == recorded["frames"] > 0
    assert summary["recording"]["tasks"] == ["reach-left"]
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert main(["data", "inspect", str(out)]) == 0
    assert "reach-left" in capsys.readouterr().out
    assert main(record) == 2
    assert "exists already: choose another directory" in capsys.readouterr().err


def test_an_unknown_task_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "metaworld", "--tasks", "reach-lef", "--out", str(tmp_path / "episodes")]) == 2
    assert "did you mean reach-left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_captions_feed_the_tokenizer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, tokenizer = tmp_path / "pairs", tmp_path / "tokenizer.json"
    assert main(["record", "captions", "--pairs", "4", "--workers", "1", "--out", str(pairs)]) == 0
    assert capsys.readouterr().out == f"{pairs}: 4 image-text pairs\n"
    assert main(["data", "inspect", str(pairs), "--sheet", str(tmp_path / "sheet.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 4
    train = ["tokenizer", "train", str(pairs), "--shipped", "--vocab-size", "900", "--control-tokens", "512"]
    assert main([*train, "--out", str(tokenizer)]) == 0
    assert "900 entries" in capsys.readouterr().out


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_stopped_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    out = tmp_path / "pairs"
    command = [sys.executable, "-m", "polymath.cli", "record", "captions", "--pairs", "5000", "--out", str(out)]
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a background shell ignores it
    child = subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    _wait_for(lambda: any(tmp_path.glob(".pairs.*.partial/*.tar")))
    child.send_signal(sent)
    _, error = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "Run the same command again" in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def _wait_for(happened: Callable[[], bool]) -> None:
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.1)
    pytest.fail("nothing happened within five minutes")


def test_presets_are_listed_with_their_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(listed) >= {"demo", "tiny"}
    parts = listed["demo"]["parameters"]
    assert parts["total"] == sum(count for name, count in parts.items() if name != "total")
    assert main(["presets"]) == 0
    assert f"{parts['total']:,}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["train", "demmo"], "preset 'demmo': no such preset; did you mean demo?"),
        (["--set", "sead=1"], "--set sead=1: no field 'sead'; did you mean seed?"),
        (["--data", "pairs"], "pairs: no such file or directory"),
        (["--data", "a", "a"], "--data a: is named twice; name it once, and count it more with ?weight=2"),
        (["--start-phase", "robot"], "--start-phase robot: changes nothing without --start RUN"),
        (
            ["--phases", "robot", "alignment"],
            "--phases robot alignment: name each phase once",
        ),
        (["--phases", "robot", "robot"], "--phases robot robot: name each phase once"),
        (["--rank", "4"], "--rank 4: changes nothing without --adapters PATTERN"),
        (["--published", "vit=a", "vit=b"], "--published vit=b: vit is named twice"),
        (["--adapters", "("], "adapters.targets: '(' is no regular expression"),
        (["--adapters", ".*query", "--rank", "0"], "adapters.rank: 0; it must be 1 or more"),
        (["--set", "robot.steps=-1"], "steps: -1; it must be 1 or more"),
        (["--set", "robot.pairs=NaN"], "pairs: nan is no share of the rows"),
        (["--data", "a", "./a"], "--data ./a: is named twice"),
        (["--data", "a", "lerobot:a?weight=3"], "--data lerobot:a: is named twice"),
        (["--data", "p", "--phases", "alignment"], "--data p: a run is for a robot, but there are no episodes; add"),
        (["--set", "robot.steps=0"], "--set.robot.steps: 0; it must be 1 or more"),
        (["--set", "alignment.pairs=-1"], "--set.alignment.pairs: -1.0 is no share of the rows"),
        (["--data", "a", "b"], "a/meta/info.json, codebase_version: None is none of v2.0, v2.1, v3.0"),
        (["--data", "a", "b", "--slot", "3"], "--slot 3: --data names 2 raw sets of episodes; write ?slot=3 behind"),
    ],
)
def test_training_that_cannot_start_says_why(
    change: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name / "meta").mkdir(parents=True)
        (tmp_path / name / "meta" / "info.json").write_text("{}")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "p.tar").touch()
    before = sorted(tmp_path.rglob("*"))
    verb = change if change[0] == "train" else ["train", "tiny", *change]
    data = [] if "--data" in change else ["--data", "a"]
    assert main([*verb, *data, "--tokenizer", "tokenizer.json", "--out", "run"]) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_evaluating_and_comparing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Random actions do not press a button in 55 control steps; two runs of them have the same episodes."""
    evaluate = ["eval", "metaworld", "--policy", "random", "--tasks", "button-press-left", "--splits", "seen"]
    small = ["--episodes", "2", "--workers", "1", "--json"]
    for name in ("one", "two"):
        assert main([*evaluate, *small, "--name", name, "--out", str(tmp_path)]) == 0
        result = json.loads(capsys.readouterr().out)["seen"]
        assert list(result) == [name]
        assert (result[name]["successes"], result[name]["episodes"]) == (0, 2)
        # Wilson's upper end for 0 of 2 is z²/(2+z²) with z = 1.96
        assert result[name]["interval"] == [0, pytest.approx(0.65762, abs=1e-5)]
    logs = [str(tmp_path / "episodes" / f"{name}.jsonl") for name in ("one", "two")]
    assert main(["compare", *logs, "--json"]) == 0
    (comparison,) = json.loads(capsys.readouterr().out)
    assert (comparison["pairs"], comparison["difference"], comparison["p_value"]) == (2, 0, 1)
    assert main(["compare", *logs]) == 0
    assert "only A" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policy", "nothing"], "--policy nothing: no such run directory"),
        (["--policy", "random", "--out", "out", "--tasks", "buton-press-left"], "did you mean button-press-left"),
        (["--policy", ".", "--out", "out"], "config.json: no such file; is this a run directory"),
    ],
)
def test_evaluations_that_cannot_start_say_why(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "metaworld", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["trian"], "polymath: trian: no such verb; did you mean train?"),
        (["data", "inspekt", "x"], "polymath: data inspekt: no such verb; did you mean inspect?"),
        (["fly"], "polymath: fly: no such verb; choose from demo, presets"),
    ],
)
def test_a_verb_that_there_is_not(typed: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_presets_fit_a_terminal_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "polymath_v_200m\n  research on one GPU" in out
