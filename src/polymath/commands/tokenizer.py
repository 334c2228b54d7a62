"""`polymath tokenizer train|stats|encode`."""

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from polymath.commands.output import print_json, print_table

if TYPE_CHECKING:
    from polymath.tokenizer.density import Density

OURS = "ours"

app = SubcommandApp()


@app.command
def train(
    text: Positional[tuple[Path, ...]],
    out: Path,
    vocab_size: int = 256_000,
    control_tokens: int = 4096,
    min_frequency: int = 2,
    shipped: bool = False,
    alpha: float = 1.0,
    sample_gb: float | None = None,
    memory_gb: float = 4.0,
    min_word_count: int = 1,
    json: bool = False,
) -> None:
    """Learn a byte-level BPE with a block of control tokens from text.

    Example: polymath tokenizer train pairs --shipped --vocab-size 1024 --control-tokens 512 --out tokenizer.json

    Args:
        text: UTF-8 text files, counted words (.tsv), WebDataset shards (captions), LeRobot data sets (instructions).
        out: The tokenizer.json to write; HF tokenizers reads it, too.
        vocab_size: Entries in all: control tokens, the 256 bytes, merges.
        control_tokens: Size of the control-token block, a power of two of at least 512.
        min_frequency: How often a pair must be seen to be merged.
        shipped: Add the multilingual text that comes with the package.
        alpha: 1 learns from the text as it is; less gives small languages more weight, 0 gives all the same. A path's
            name up to its first dot is its language.
        sample_gb: How much text to learn from, in 10^9 bytes; all of it by default.
        memory_gb: What counting may take before counts go to disk (beside OUT), and what learning may take: the rarest
            words are left out until it fits.
        min_word_count: Words that occur less often are left out in any case.
        json: Print one JSON object instead of a line.
    """
    from polymath.tokenizer import ControlTokens
    from polymath.tokenizer.training import Gathering, train_on_paths

    total = None if sample_gb is None else sample_gb * 1e9
    gathering = Gathering(alpha, total, int(memory_gb * 2**30), min_word_count)
    out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = train_on_paths(
        text, vocab_size, ControlTokens(control_tokens), min_frequency, gathering, shipped, scratch=out.parent
    )
    tokenizer.save(out)
    merges = tokenizer.vocab_size - control_tokens - 256
    if json:
        sizes = {"vocab_size": tokenizer.vocab_size, "control_tokens": control_tokens, "merges": merges}
        print_json({"path": str(out), **sizes})
    else:
        print(
            f"{out}: {tokenizer.vocab_size:,} entries ({control_tokens:,} control tokens, 256 bytes, {merges:,} merges)"
        )


@app.command
def stats(tokenizer: Positional[Path], text: tuple[Path, ...], compare: bool = False, json: bool = False) -> None:
    """How densely a tokenizer writes text: bytes per token and tokens per word, path by path.

    Example: polymath tokenizer stats tokenizer.json --text de.txt fr.txt --compare

    Args:
        tokenizer: A tokenizer.json.
        text: UTF-8 text files, WebDataset shards (their captions), LeRobot data sets (their instructions).
        compare: Add the bytes per token of the tokenizers that other models use (pip install 'polymath-v[compare]').
        json: Print one JSON object instead of the table.
    """
    from polymath.tokenizer import Tokenizer
    from polymath.tokenizer.density import measure, others, together

    loaded = Tokenizer.load(tokenizer)
    counters = {OURS: lambda line: len(loaded.encode(line)), **(others() if compare else {})}
    densities = [measure(counters, path) for path in text]
    if json:
        sizes = {"vocab_size": loaded.vocab_size, "control_tokens": loaded.control.size}
        print_json(
            {**sizes, **_report(together(densities)), "texts": [{"path": d.path, **_report(d)} for d in densities]}
        )
        return
    print(f"{tokenizer}: {loaded.vocab_size:,} entries, {loaded.control.size:,} of them control tokens")
    print("bytes per token:")
    rows = [*densities, together(densities)] if len(densities) > 1 else densities
    header = ["path", "bytes", "words", *counters, "our tokens a word"]
    rates = [[round(d.bytes_per_token(name), 2) for name in counters] for d in rows]
    fertility = [d.tokens[OURS] / max(d.words, 1) for d in rows]
    cells = zip(rows, rates, fertility, strict=True)
    print_table(header, [[d.path, d.bytes, d.words, *rate, words] for d, rate, words in cells])


def _report(density: "Density") -> dict[str, object]:
    """A row of the table for a script."""
    rates = {name: density.bytes_per_token(name) for name in density.tokens}
    own = density.tokens[OURS]
    counts = {"bytes": density.bytes, "words": density.words, "tokens": own}
    ours = {"bytes_per_token": rates.pop(OURS), "tokens_per_word": own / max(density.words, 1)}
    return {**counts, **ours, **({"others": rates} if rates else {})}


@app.command
def encode(tokenizer: Positional[Path], text: Positional[str], json: bool = False) -> None:
    """The tokens of a text.

    Example: polymath tokenizer encode tokenizer.json "push the red puck"

    Args:
        tokenizer: A tokenizer.json.
        text: What to encode.
        json: Print one JSON object instead of the table.
    """
    from polymath.tokenizer import Tokenizer

    loaded = Tokenizer.load(tokenizer)
    ids = loaded.encode(text)
    pieces = [loaded.decode([token]) for token in ids]
    if json:
        print_json({"ids": ids, "pieces": pieces})
    else:
        print_table(["id", "piece"], [[str(token), repr(piece)] for token, piece in zip(ids, pieces, strict=True)])
