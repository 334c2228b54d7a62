"""`polymath compare`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from polymath.commands.output import percent, percent_range, print_json, print_table
from polymath.errors import ConfigError

if TYPE_CHECKING:
    from polymath.evaluation.benchmark import Benchmark
    from polymath.evaluation.comparison import Comparison
    from polymath.evaluation.leaderboard import Board, Standing
    from polymath.evaluation.log_files import Log


def compare(
    logs: Positional[tuple[Path, ...]],
    allow_mixed_renderers: bool = False,
    allow: tuple[str, ...] = (),
    html: Path | None = None,
    json: bool = False,
) -> None:
    """Is one evaluation better than another? Two are paired episode by episode, more become a leaderboard.

    Two: A minus B, split by split, with McNemar's exact test, the e-value (20 and more separates at the 5 % level
    however often one has looked) and the number of episodes that would separate them. More: every policy with its
    interval and its group; two that share a letter are not separated, the p-values corrected for all pairs.

    Example: polymath compare run/evaluation/episodes/run.jsonl run/evaluation/episodes/random.jsonl

    Args:
        logs: Episode logs (OUT/episodes/POLICY.jsonl) of one benchmark, or directories that hold them: of two arguments
            a single log each, otherwise any number.
        allow_mixed_renderers: Compare results whose pictures were drawn by different renderers.
        allow: Fields of the identity, such as image_size or cameras, in which the results may differ.
        html: Write the leaderboard as one page too, with all pairs and what others published.
        json: Print one JSON value instead of tables: a list of comparisons of two, otherwise an object.
    """
    from polymath.evaluation.comparison import compare as compare_two
    from polymath.evaluation.comparison import greatest_score
    from polymath.evaluation.leaderboard import leaderboard
    from polymath.evaluation.log_files import read_logs
    from polymath.evaluation.sequential import describe, read_verdict

    if html is not None and html.is_dir():
        raise ConfigError(f"--html {html}: is a directory; name a file, such as {html / 'leaderboard.html'}")
    if not logs:
        raise ConfigError("compare: name at least two evaluations: episode logs, or directories that hold them")
    read = read_logs(logs, (*allow, "renderer") if allow_mixed_renderers else allow)
    if len(read) < 2:
        raise ConfigError(f"compare: {read[0].path} is one evaluation; name another to compare it with")
    benchmark = _benchmark(read[0].identity.benchmark)
    levels = max(greatest_score(*(log.episodes for log in read)), benchmark.levels if benchmark else 1)
    boards = leaderboard(read, levels) if len(read) > 2 or html is not None else []
    comparisons = compare_two(read[0].episodes, read[1].episodes, levels) if len(read) == 2 else []
    if html is not None:
        _write_page(html, read, boards, benchmark, levels)
    if json:
        print_json([_as_json(row) for row in comparisons] if comparisons else _board_json(read, boards, benchmark))
        return
    if comparisons:
        _print_comparisons(comparisons)
    else:
        _print_boards(boards)
    for log in read:
        if verdict := read_verdict(log.path):
            print(f"\n{describe(verdict, log.label)}")
    if html is not None:
        print(f"\n{html}")


def _benchmark(name: str) -> "Benchmark | None":
    """None where the package that brings the benchmark is not installed: logs compare without it."""
    from polymath.benchmarks import registry

    return registry.benchmark(name) if name in registry.names() else None


def _write_page(
    html: Path, read: list["Log"], boards: list["Board"], benchmark: "Benchmark | None", levels: int
) -> None:
    from polymath import pages
    from polymath.evaluation.report.leaderboard import render_leaderboard

    command = shlex.join(["polymath", "compare", *(str(log.path) for log in read), "--html", str(html)])
    titles = dict(benchmark.splits) if benchmark else {}
    published = benchmark.published if benchmark else ()
    pages.write(render_leaderboard(read, boards, command, levels, titles, published), html)


def _print_comparisons(comparisons: list["Comparison"]) -> None:
    header = ["split", "A", "B", "A - B", "95 % interval", "pairs", "only A", "only B", "p", "e", "to separate"]
    print_table(header, [_row(comparison) for comparison in comparisons])
    scored = [(row, row.score) for row in comparisons if row.score is not None]
    if scored:
        print()
        header = ["split", "mean score A", "mean score B", "A - B", "95 % interval", "p", "e", "to separate"]
        print_table(
            header,
            [
                [
                    row.split,
                    f"{score.mean_a:.2f}",
                    f"{score.mean_b:.2f}",
                    f"{score.difference:+.2f}",
                    _range(score.interval),
                    "unpaired" if score.p_value is None else f"{score.p_value:.2g}",
                    *_further(row),
                ]
                for row, score in scored
            ],
        )


def _row(comparison: "Comparison") -> list[object]:
    rates = [percent(rate) for rate in (comparison.a.rate, comparison.b.rate, comparison.difference)]
    return [
        comparison.split,
        *rates,
        percent_range(comparison.interval),
        comparison.pairs,
        comparison.only_a,
        comparison.only_b,
        "unpaired" if comparison.p_value is None else f"{comparison.p_value:.2g}",
        *(_further(comparison) if comparison.score is None else ("see score", "see score")),
    ]


def _further(comparison: "Comparison") -> list[str]:
    return [
        "-" if comparison.e_value is None else f"{comparison.e_value:.3g}",
        "-" if comparison.to_separate is None else f"{comparison.to_separate:,}",
    ]


def _print_boards(boards: list["Board"]) -> None:
    scored = any(standing.score is not None for board in boards for standing in board.standings)
    header = ["split", "policy", "group", "successes", "episodes", "rate", "95 % interval"]
    rows = [_standing_row(board.split, row, scored) for board in boards for row in board.standings]
    print_table([*header, "mean score", "95 % interval"] if scored else header, rows)
    for board in boards:
        for note in board.notes:
            print(f"\n{board.split}: {note}")


def _standing_row(split: str, standing: "Standing", scored: bool) -> list[object]:
    rate = standing.rate
    row: list[object] = [split, standing.policy, standing.letters, rate.successes, rate.episodes]
    row += [percent(rate.rate), percent_range(rate.interval)]
    if scored and standing.score is not None and standing.score_interval is not None:
        row += [f"{standing.score:.2f}", _range(standing.score_interval)]
    elif scored:
        row += [f"{rate.rate:.2f}", _range(rate.interval)]
    return row


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _as_json(comparison: "Comparison") -> dict[str, Any]:
    from polymath import config

    row = config.to_dict(comparison) | {"difference": comparison.difference}
    if comparison.score is not None:
        row["score"]["difference"] = comparison.score.difference
    return row


def _board_json(read: list["Log"], boards: list["Board"], benchmark: "Benchmark | None") -> dict[str, Any]:
    from polymath import config
    from polymath.evaluation.leaderboard import ALPHA

    return {
        "benchmark": read[0].identity.benchmark,
        "protocol": read[0].identity.protocol_hash,
        "alpha": ALPHA,
        "correction": "holm",
        "splits": {board.split: _split_json(board) for board in boards},
        "published": [config.to_dict(row) for row in benchmark.published] if benchmark else [],
    }


def _split_json(board: "Board") -> dict[str, Any]:
    from polymath import config

    standings = [
        config.to_dict(row)
        | {"rate": row.rate.rate, "interval": row.rate.interval}
        | {"successes": row.rate.successes, "episodes": row.rate.episodes}
        for row in board.standings
    ]
    pairs = [
        {
            "a": board.standings[pair.first].policy,
            "b": board.standings[pair.second].policy,
            "p_value": pair.p_value,
            "p_holm": pair.p_holm,
            "separated": pair.separated,
            "comparison": _as_json(pair.comparison),
        }
        for pair in board.pairs
    ]
    return {"standings": standings, "pairs": pairs, "notes": board.notes}
