"""`polymath tokenizer train|stats|encode`."""

from pathlib import Path

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from polymath.cli_output import print_json, print_table

app = SubcommandApp()


@app.command
def train(
    text: Positional[tuple[Path, ...]],
    out: Path,
    vocab_size: int = 256_000,
    control_tokens: int = 4096,
    min_frequency: int = 2,
    shipped: bool = False,
    json: bool = False,
) -> None:
    """Learn a byte-level BPE with a block of control tokens from text.

    Example: polymath tokenizer train pairs --shipped --vocab-size 1024 --control-tokens 512 --out tokenizer.json

    Args:
        text: UTF-8 text files, WebDataset shards (their captions), LeRobot data sets (their instructions).
        out: The tokenizer.json to write; HF tokenizers reads it, too.
        vocab_size: Entries in all: control tokens, the 256 bytes, merges.
        control_tokens: Size of the control-token block, a power of two of at least 512.
        min_frequency: How often a pair must be seen to be merged.
        shipped: Add the multilingual text that comes with the package.
        json: Print one JSON object instead of a line.
    """
    import itertools

    from polymath.tokenizer import ControlTokens, corpus
    from polymath.tokenizer import train as train_tokenizer

    documents = itertools.chain(corpus.texts(text), corpus.shipped() if shipped else ())
    tokenizer = train_tokenizer(documents, vocab_size, ControlTokens(control_tokens), min_frequency)
    tokenizer.save(out)
    merges = tokenizer.vocab_size - control_tokens - 256
    if json:
        print_json(
            {"path": str(out), "entries": tokenizer.vocab_size, "control_tokens": control_tokens, "merges": merges}
        )
    else:
        print(
            f"{out}: {tokenizer.vocab_size:,} entries ({control_tokens:,} control tokens, 256 bytes, {merges:,} merges)"
        )


@app.command
def stats(tokenizer: Positional[Path], text: Positional[tuple[Path, ...]], json: bool = False) -> None:
    """How densely a tokenizer writes text: bytes per token and tokens per word, path by path.

    Example: polymath tokenizer stats tokenizer.json pairs episodes

    Args:
        tokenizer: A tokenizer.json.
        text: UTF-8 text files, WebDataset shards (their captions), LeRobot data sets (their instructions).
        json: Print one JSON object instead of the table.
    """
    import dataclasses

    from polymath.tokenizer import Tokenizer
    from polymath.tokenizer.corpus import measure

    loaded = Tokenizer.load(tokenizer)
    found = [dataclasses.asdict(measure(loaded, path)) for path in text]
    if json:
        print_json({"entries": loaded.vocab_size, "control_tokens": loaded.control.size, "texts": found})
        return
    print(f"{tokenizer}: {loaded.vocab_size:,} entries, {loaded.control.size:,} of them control tokens")
    header = ["path", "bytes", "words", "tokens", "bytes_per_token", "tokens_per_word"]
    print_table([name.replace("_", " ") for name in header], [[row[name] for name in header] for row in found])


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
