"""The `polymath` command: one thin function per verb, which parses, calls one function of the package and prints.

Every import of a room stands inside its verb, so that `polymath --help` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise

import tyro
from tyro.extras import SubcommandApp

import polymath
from polymath import extras
from polymath.commands import (
    compare,
    data,
    demo,
    evaluate,
    models,
    openloop,
    plan,
    real,
    record,
    runs,
    serve,
    setup,
    tokenizer,
)
from polymath.commands.output import print_json
from polymath.errors import PolymathError, did_you_mean
from polymath.files import check_local
from polymath.interrupts import STATUS, STOPPED, remembered_interrupts, was_interrupted

DESCRIPTION = """Build, train, evaluate and serve vision-language-action models.

Each verb has --help with an example; --version prints the version. POLYMATH_DEBUG=1 shows the traceback of an error."""

JOINED = {"openloop": "eval-openloop", "real": "eval-real"}
"""`polymath eval` of what is no benchmark: verbs with options of their own, written as two words."""

app = SubcommandApp()
app.command(demo.demo)
app.command(runs.presets)
app.command(plan.plan)
app.command(
    record.app, name="record", help="Scripted experts make episodes; the same simulator makes captioned pictures."
)
app.command(tokenizer.app, name="tokenizer", help="Byte-level BPE: train, stats, encode.")
app.command(data.app, name="data", help="What is in a data set.")
app.command(runs.train)
app.command(setup.setup)
app.command(name="eval")(evaluate.evaluate)
app.command(name="eval-openloop")(openloop.openloop)
app.command(name="eval-real")(real.real)
app.command(compare.compare)
app.command(serve.serve)
app.command(models.export)
app.command(name="import")(models.import_)
app.command(models.inspect)


@app.command
def doctor(json: bool = False) -> int:
    """What this machine can do (devices, renderers, simulators, extras) and what to install for more.

    Ends with status 1 if the demo cannot run here.

    Example: polymath doctor

    Args:
        json: Print one JSON object instead of the table.
    """
    import dataclasses

    from polymath.doctor import as_text, can_run_demo, examine

    findings = examine()
    ready = can_run_demo(findings)
    if json:
        print_json({"demo": ready, "findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        print(as_text(findings))
    return 0 if ready else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Exit status: 0 well, 1 the verb's own 'no', 2 bad input or usage, 130 stopped by Ctrl-C.

    SIGTERM, which schedulers send, is answered like Ctrl-C: what can be saved is saved.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["eval"] and arguments[1:2] and arguments[1] in JOINED:
        arguments = [JOINED[arguments[1]], *arguments[2:]]
    if arguments == ["--version"]:
        print(f"polymath {polymath.__version__}")
        return 0
    _check_verb(app, arguments)
    try:
        _check_outputs(arguments)
        with remembered_interrupts():
            status = app.cli(
                args=arguments, prog="polymath", description=DESCRIPTION, config=(tyro.conf.FlagCreatePairsOff,)
            )
        return int(status or 0)
    except KeyboardInterrupt:
        return _stopped()
    except PolymathError as error:
        if os.environ.get("POLYMATH_DEBUG"):
            traceback.print_exc()
        if was_interrupted():
            return _stopped()
        print(f"polymath: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone (`polymath … | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get("POLYMATH_DEBUG"):
            raise
        if was_interrupted():  # a library that the signal met inside raised something of its own
            return _stopped()
        remedy = extras.advice(error.name or "", "this") if isinstance(error, ModuleNotFoundError) else None
        if remedy is None:
            raise
        print(f"polymath: {remedy}", file=sys.stderr)
        return 2


def _check_outputs(arguments: Sequence[str]) -> None:
    """Raise ConfigError where a result is to go to an object store: every verb writes to `--out` or `--write`."""
    for option in ("--out", "--write"):
        for name, following in pairwise([*arguments, ""]):
            if name == option or name.startswith(f"{option}="):
                check_local(option, following if name == option else name.removeprefix(f"{option}="))


def _check_verb(verbs: SubcommandApp, words: Sequence[str], before: str = "") -> None:
    """End with status 2 and the nearest names for a verb that there is not."""
    if not words or words[0].startswith("-"):
        return
    known = verbs._subcommands
    if words[0] not in known:
        offered = [name for name in known if not name.startswith("eval-")]
        message = f"{before}{words[0]}: no such verb; {did_you_mean(words[0], offered)}"
        print(f"polymath: {message}; `polymath --help` lists them", file=sys.stderr)
        sys.exit(2)
    target = known[words[0]].target
    if isinstance(target, SubcommandApp):
        _check_verb(target, words[1:], f"{before}{words[0]} ")


def _stopped() -> int:
    print(STOPPED, file=sys.stderr)
    return STATUS


if __name__ == "__main__":
    sys.exit(main())
