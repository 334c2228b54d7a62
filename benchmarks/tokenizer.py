"""What training and encoding cost, beside Hugging Face `tokenizers` and whatever else is installed (rustbpe, riptoken).

    python benchmarks/tokenizer.py [--text FILE] [--vocab-size N] [--tokenizer tokenizer.json] [--json]

Trains on FILE with each trainer in a process of its own: seconds of CPU, peak memory. Then encodes the last tenth of
FILE, line by line in one thread, with each engine on the same vocabulary (that of `--tokenizer`, else the one just
trained); an engine whose ids differ from Hugging Face's anywhere is reported as wrong. The default text is this
project's own.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from polymath.tokenizer import ControlTokens, Tokenizer
from polymath.tokenizer.training import train_on_paths
from polymath.tokenizer.vocabulary import LETTERS, PATTERN, Vocabulary

ROOT = Path(__file__).parent.parent
ROUNDS = 3  # of encoding; the engines take turns, the fastest round counts
TRAINERS = ("ours", "tokenizers", "rustbpe")
Encode = Callable[[str], list[int]]


def own_text(out: Path) -> Path:
    """The project's sources and pages, and the multilingual text that it ships: about a megabyte."""
    files = [file for folder in ("src", "tests", "docs") for file in sorted((ROOT / folder).rglob("*.*"))]
    kept = [file.read_text(encoding="utf-8") for file in files if file.suffix in (".py", ".md", ".txt")]
    out.write_text("\n".join(kept), encoding="utf-8")
    return out


def train_here(trainer: str, text: Path, vocab_size: int, control: int, out: Path) -> None:
    if trainer == "ours":
        train_on_paths([text], vocab_size, ControlTokens(control)).save(out)
    elif trainer == "tokenizers":
        train_hugging_face(text, vocab_size, control, out)
    else:
        import rustbpe  # type: ignore[import-not-found]

        with text.open(encoding="utf-8", newline="") as lines:
            rustbpe.Tokenizer().train_from_iterator(lines, vocab_size - control, pattern=PATTERN)


def train_hugging_face(text: Path, vocab_size: int, control: int, out: Path) -> None:
    from tokenizers import Regex, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as HFTokenizer

    engine = HFTokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    names = ControlTokens(control).names()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=names,
        initial_alphabet=list(LETTERS.values()),
        show_progress=False,
    )
    with text.open(encoding="utf-8", newline="") as lines:
        engine.train_from_iterator(lines, trainer)
    engine.save(str(out))


def measured(trainer: str, text: Path, vocab_size: int, control: int, out: Path) -> dict[str, float]:
    """In a process of its own, single-threaded."""
    command = [sys.executable, __file__, "--trainer", trainer, "--text", str(text), "--out", str(out)]
    command += ["--vocab-size", str(vocab_size), "--control-tokens", str(control)]
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def engines(path: Path) -> dict[str, Encode]:
    import tiktoken
    from tokenizers import Tokenizer as HFTokenizer

    vocabulary = Vocabulary.from_json(path.read_text(encoding="utf-8"))
    theirs, ours, ranks = HFTokenizer.from_file(str(path)), Tokenizer.load(path), vocabulary.ranks()
    core = tiktoken.Encoding("compared", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    encoders: dict[str, Encode] = {
        "tokenizers": lambda line: theirs.encode(line, add_special_tokens=False).ids,
        "ours": ours.encode,
        "tiktoken": core.encode_ordinary,
    }
    if importlib.util.find_spec("splintr"):
        import splintr

        encoders["splintr"] = splintr.from_json(str(path)).encode_ordinary
    if importlib.util.find_spec("riptoken"):
        import riptoken  # type: ignore[import-not-found]

        encoders["riptoken"] = riptoken.CoreBPE(ranks, {}, PATTERN).encode_ordinary
    return encoders


def encoding(path: Path, text: Path) -> dict[str, dict[str, float | bool]]:
    with text.open(encoding="utf-8", newline="") as file:
        lines = file.readlines()
    lines = lines[-max(1, len(lines) // 10) :]
    size = sum(len(line.encode()) for line in lines) / 1e6
    known = engines(path)
    expected = [known["tokenizers"](line) for line in lines]
    rates: dict[str, dict[str, float | bool]] = {name: {"mb_a_core_second": 0.0, "same_ids": True} for name in known}
    for _ in range(ROUNDS):
        for name, encode in known.items():
            start = time.process_time()
            ids = [encode(line) for line in lines]
            rate = size / (time.process_time() - start)
            rates[name]["mb_a_core_second"] = max(rate, rates[name]["mb_a_core_second"])
            rates[name]["same_ids"] &= ids == expected
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--control-tokens", type=int, default=512)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--trainer", choices=TRAINERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size, control = arguments.vocab_size, arguments.control_tokens
    if arguments.trainer:
        train_here(arguments.trainer, arguments.text, size, control, arguments.out)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu_seconds": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as name:
        text = arguments.text or own_text(Path(name) / "text.txt")
        installed = [trainer for trainer in TRAINERS if trainer == "ours" or importlib.util.find_spec(trainer)]
        trained = {trainer: measured(trainer, text, size, control, Path(name) / trainer) for trainer in installed}
        encoded = encoding(arguments.tokenizer or Path(name) / "ours", text)
    if arguments.json:
        print(json.dumps({"training": trained, "encoding": encoded}, indent=2))
        return
    for trainer, cost in trained.items():
        print("train   {:11} {cpu_seconds:7.1f} CPU s  {peak_mb:6.0f} MB at the peak".format(trainer, **cost))
    for engine, rate in encoded.items():
        same = "same ids" if rate["same_ids"] else "WRONG ids"
        print(f"encode  {engine:11} {rate['mb_a_core_second']:7.2f} MB a core second  {same}")


if __name__ == "__main__":
    main()
