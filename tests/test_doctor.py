"""The doctor's probes against this machine and against children that misbehave."""

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from polymath import doctor
from polymath.cli import main
from polymath.doctor import Finding


@pytest.fixture(scope="module")
def findings() -> dict[tuple[str, str], Finding]:
    return {(finding.area, finding.name): finding for finding in doctor.examine()}


def test_this_environment_can_run_the_demo(findings: dict[tuple[str, str], Finding]) -> None:
    """The tests run where the demo does: what it needs is found, with the versions that are installed."""
    for finding in findings.values():
        assert finding.works or not finding.needed, finding
    assert findings["jax", "devices"].detail.startswith(f"jax {importlib.metadata.version('jax')} on 1 x ")
    assert importlib.metadata.version("mujoco") in findings["renderers", "ray caster"].detail
    assert findings["simulators", "metaworld"].detail == "3.1.1"
    assert findings["extras", "sim"].works
    assert findings["extras", "dev"].works


def test_what_is_missing_comes_with_a_remedy(findings: dict[tuple[str, str], Finding]) -> None:
    assert all(finding.remedy for finding in findings.values() if not finding.works)


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("print('warming up'); print('fine')", (True, "fine")),
        ("import os; os.abort()", (False, "crashed with signal 6")),
        ("raise RuntimeError('no display')", (False, "not usable (RuntimeError: no display)")),
        ("import sys; sys.exit(3)", (False, "failed with status 3")),
        ("import time; time.sleep(60)", (False, "no answer within 1 s")),
    ],
)
def test_a_probe_cannot_take_us_down(program: str, answer: tuple[bool, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBE_SECONDS", 1.0 if "sleep" in program else 300.0)
    assert doctor._run_python(program) == answer


def test_missing_extras_are_followed_through_other_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    """`polymath-v[tpu]` asks for `jax[tpu]`, which is installed; what that extra asks for is not."""
    requirements = {
        "polymath-v": [
            "numpy>=2",
            'jax[tpu]>=0.10; extra == "tpu"',
            'numpy>=99; extra == "new"',
            'win; sys_platform == "x"',
        ],
        "jax": ["numpy", 'libtpu==0.0.42.*; extra == "tpu"', 'cuda; extra == "cuda"'],
    }
    versions = {"numpy": "2.4", "jax": "0.10.2"}
    monkeypatch.setattr(doctor.importlib.metadata, "requires", requirements.__getitem__)
    monkeypatch.setattr(doctor, "_version", versions.get)
    assert list(doctor._missing("polymath-v", "tpu")) == ["libtpu"]
    assert list(doctor._missing("polymath-v", "new")) == ["numpy"]
    assert list(doctor._missing("polymath-v", "none")) == []


def test_text_marks_what_the_demo_needs() -> None:
    text = doctor.as_text(
        [
            Finding("machine", "python", True, "3.11"),
            Finding("machine", "disk", False, "0.1 GB", "free some", needed=True),
            Finding("renderers", "egl", False, "absent", "install it"),
        ]
    )
    assert text.splitlines() == [
        "machine",
        "  yes  python  3.11",
        "  NO   disk    0.1 GB",
        "               -> free some",
        "",
        "renderers",
        "  no   egl     absent",
        "               -> install it",
        "",
        "`make demo` cannot run here yet: see the lines marked NO.",
    ]


def test_json_and_status(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Finding("machine", "disk", False, "0.1 GB", "free some", needed=True)
    monkeypatch.setattr(doctor, "examine", lambda directory=Path(): [bad])
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "demo": False,
        "findings": [
            {
                "area": "machine",
                "name": "disk",
                "works": False,
                "detail": "0.1 GB",
                "remedy": "free some",
                "needed": True,
            }
        ],
    }


def test_remedies_name_an_installer_that_is_there(findings: dict[tuple[str, str], Finding]) -> None:
    """`make install` leaves uv, not pip, in the environment."""
    command = doctor._install("sim").split()
    assert command[-3:] == ["install", "-e", "'.[sim]'"]
    assert Path(command[0]).name in ("uv", "pip")
    assert Path(command[0]).name == "pip" or Path(sys.executable).with_name("uv").is_file()
