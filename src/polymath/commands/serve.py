"""`polymath serve`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from polymath.commands.output import print_json, print_table
from polymath.errors import ConfigError


def serve(
    run: Positional[tuple[str, ...]],
    host: str = "127.0.0.1",
    port: int = 8000,
    robot: str = "polymath",
    decode: Literal["head", "tokens"] = "head",
    temperature: float = 0.0,
    dtype: Literal["float32", "bf16", "int8"] | None = None,
    checkpoint: str = "newest",
    rows: tuple[int, ...] = (1, 8),
    max_latency: float = 5.0,
    assume_executed: bool = False,
    keys: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    max_message: float = 32.0,
    max_connections: int = 64,
    max_sockets: int = 512,
    max_rate: float = 200.0,
    max_answer: float = 30.0,
    max_send: float = 10.0,
    max_tokens: int = 64,
    sessions: int = 32,
    idle: float = 300.0,
    ping: float = 20.0,
    drain: float = 20.0,
    compiled: Path | None = None,
    episodes: str | None = None,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
    dry_run: bool = False,
    json: bool = False,
) -> int:
    """Robots ask a trained run over openpi's WebSocket protocol: the openpi-client that they have works unchanged.

    Everything is compiled before the first robot is let in; /healthz answers meanwhile, /readyz says when it is ready.
    Several robots are answered in one pass. SIGTERM or Ctrl-C: running requests are answered, then it ends with
    status 0. Logs are JSON lines on stderr, /metrics is for Prometheus. A browser at http://HOST:PORT sees what the
    robots see, where the model looks, and what it predicts; it asks for a key as its password.

    Example: polymath serve run --port 8000

    Example: polymath serve reach=run --host 0.0.0.0 --keys keys.txt --tls-cert cert.pem --tls-key key.pem

    Example: polymath serve run --episodes episodes

    Example: polymath serve run --robot droid --dry-run

    Args:
        run: Run directories, each as RUN or NAME=RUN. The first is at ws://HOST:PORT, each is at ws://HOST:PORT/NAME.
        host: The address to listen at; 0.0.0.0 for all of this machine.
        port: The port; 0 takes a free one.
        robot: The adapter of clients that name none with ?robot=NAME: a name, or the path of a .toml file.
        decode: By the action head, or by action tokens, one by one.
        temperature: Of the draws of action tokens; 0 takes the likeliest each time.
        dtype: Hold the weights in float32, bf16 or int8; left out, in what gives the answers of the trained weights in
            the least memory.
        checkpoint: Of the runs: newest, best on the episodes that a run held out of its training, or a step.
        rows: Sizes of a pass. A pass takes the size that answers most of the waiting requests a second, as measured
            while it starts for the first time; rounding depends on it. One size gives the same bits at any load.
        max_latency: Milliseconds that a request waits for others to share its pass, while no other pass runs.
        assume_executed: A client that does not say which actions it carried out has carried out the first
            layout.stride ones. Only for runs with a history.
        keys: A file with one API key a line; left out, everyone who reaches the port may ask.
        tls_cert: A certificate with its chain, PEM; with --tls-key the server speaks wss:// and https://.
        tls_key: The certificate's key, PEM, without a password.
        max_message: Mebibytes of one message.
        max_connections: Robots connected at once.
        max_sockets: TCP connections at once, those of probes and of the page included.
        max_rate: Requests a second of one connection.
        max_answer: Seconds from a request to its answer, else an error.
        max_send: Seconds in which a client reads a reply, else it is cut off.
        max_tokens: Tokens of an instruction.
        sessions: Robots of each model whose history is kept at once.
        idle: Seconds after which an unused session is forgotten.
        ping: Seconds between two pings, and until the answer to one.
        drain: Seconds that running requests have after SIGTERM.
        compiled: Where compiled programs are kept for the next start; $POLYMATH_HOME/compiled if left out.
        episodes: Recorded episodes of the robot, as for `polymath data inspect`; the page shows them beside the robots.
        log_level: From which level on events are logged.
        dry_run: Check runs, weights, adapter, keys, certificate and port, compile everything, and end.
        json: With --dry-run, print one JSON object instead of the table.
    """
    from polymath.serving.collector import paused_collector

    with paused_collector() as go_on:
        from polymath.extras import require

        require("serve", "polymath serve")
        from polymath.policy.decoding import Decoding
        from polymath.serving.endpoint import Tls
        from polymath.serving.limits import Limits, message_bytes
        from polymath.serving.run import Plan, check, parse_runs
        from polymath.serving.run import serve as serve_plan

        _check_usage(run, tls_cert, tls_key, dry_run, json)
        plan = Plan(
            runs=parse_runs(run),
            host=host,
            port=port,
            robot=robot,
            decoding=Decoding(decode, temperature),
            dtype=dtype,
            checkpoint=checkpoint,
            rows=rows,
            max_latency=max_latency / 1e3,
            assume_executed=assume_executed,
            keys=keys,
            tls=None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key),
            limits=Limits(
                message=message_bytes(max_message),
                sockets=max_sockets,
                connections=max_connections,
                sessions=sessions,
                tokens=max_tokens,
                rate=max_rate,
                answer=max_answer,
                send=max_send,
                idle=idle,
                ping=ping,
                drain=drain,
            ),
            compiled=compiled,
            episodes=episodes,
            log_level=log_level,
        )
        if not dry_run:
            serve_plan(plan, lambda url: _say_ready(url, go_on))
            return 0
        report = check(plan)
    if json:
        print_json(report)
    else:
        _print_report(report)
    return 0


def _check_usage(run: tuple[str, ...], tls_cert: Path | None, tls_key: Path | None, dry_run: bool, json: bool) -> None:
    """Raise ConfigError for options that do not go together."""
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("--tls-cert and --tls-key: give both, or none for plain ws://")
    if not run:
        raise ConfigError("RUN: name at least one run directory")
    if json and not dry_run:
        raise ConfigError("--json: belongs to --dry-run; a server writes JSON lines to stderr by itself")


def _print_report(report: dict[str, Any]) -> None:
    """What `polymath.serving.run.check` found."""
    print_table(list(report["models"][0]), [list(model.values()) for model in report["models"]])
    for adapter in report["adapters"]:
        for key, text in (("conversions", "converted"), ("unverified", "not verified, the run does not say it")):
            if adapter[key]:
                print(f"{adapter['model']}: {text}: {'; '.join(adapter[key])}")
    print(f"\n{report['url']} is free, {'with' if report['keys'] else 'without'} keys; everything fits")


def _say_ready(url: str, go_on: Callable[[], None]) -> None:
    go_on()
    print(f"serving at {url}")
    sys.stdout.flush()
