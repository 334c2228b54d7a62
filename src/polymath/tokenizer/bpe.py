"""Byte-level BPE with HF `tokenizers`: the control block first, then the 256 bytes, then merges.

    id       [0, R)           [R, R + 256)    [R + 256, vocab_size)
    what     control tokens   single bytes    merges, most frequent first

The control tokens are ordinary vocabulary entries that no merge reaches, not HF "special tokens": any engine that
loads the file gives text ids >= R, whatever the text says, without a switch that somebody may forget. Every string
is representable (bytes are the alphabet; there is no unknown token and no normaliser), so decode(encode(s)) == s.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HFTokenizer

from polymath.errors import ConfigError, DataError
from polymath.files import atomic_write
from polymath.tokenizer.control_tokens import ControlTokens

# The pre-tokeniser of OpenAI's o200k_base (tiktoken, `tiktoken_ext/openai_public.py`): words with their leading
# space, single digits, runs of punctuation, line ends. It bounds what a merge may span.
PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}",  # every digit by itself, as in PaLM (arXiv:2204.02311, section 2) and LLaMA
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


class Tokenizer:
    """A trained byte-level BPE; `control` is its block of control tokens, `vocab_size` counts them too."""

    def __init__(self, engine: HFTokenizer, control: ControlTokens) -> None:
        self._engine = engine
        self.control = control
        self.vocab_size: int = engine.get_vocab_size()

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer.json. Raises ConfigError if it is missing, damaged or has no control block of ours."""
        path = Path(path)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; `polymath tokenizer train` writes one")
        try:
            engine = HFTokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise ConfigError(f"{path}: not a tokenizer file ({error}); train it again") from None
        return cls(engine, _find_control_block(engine, path))

    def save(self, path: Path) -> None:
        """Write tokenizer.json, readable by HF `tokenizers` by itself."""
        with atomic_write(path) as temporary:
            temporary.write_text(self._engine.to_str(pretty=True), encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, all >= control.size. Raises DataError for a lone surrogate, which no text file can hold."""
        try:
            return self._engine.encode(text, add_special_tokens=False).ids
        except (UnicodeEncodeError, TypeError):
            raise DataError(f"text: {text!r} is not valid Unicode; read the file as UTF-8") from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; a control token appears by its name, bytes that are no UTF-8 as U+FFFD."""
        return self._engine.decode([int(i) for i in ids], skip_special_tokens=False)


def train(texts: Iterable[str], vocab_size: int, control: ControlTokens, min_frequency: int = 2) -> Tokenizer:
    """Learn exactly vocab_size - control.size - 256 merges from `texts`.

    `min_frequency` is how often a pair must be seen to be merged. Raises ConfigError if the vocabulary cannot hold the
    block and the bytes, or if the text runs out of pairs before `vocab_size` is reached.
    """
    smallest = control.size + 256
    if vocab_size < smallest:
        raise ConfigError(f"tokenizer.vocab_size: {vocab_size} is below {smallest}: control tokens + 256 bytes")
    engine = HFTokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=control.names(),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    reached = engine.get_vocab_size()
    if reached != vocab_size:
        raise ConfigError(
            f"tokenizer.vocab_size: the text gives only {reached} of {vocab_size} entries, no pair is left that occurs "
            f"{min_frequency} times; add text, lower min_frequency, or ask for vocab_size={reached}"
        )
    return Tokenizer(_without_special_tokens(engine), control)


def _without_special_tokens(engine: HFTokenizer) -> HFTokenizer:
    """Keep the control tokens in the vocabulary only, so that no engine ever recognises them in text."""
    state = json.loads(engine.to_str())
    state["added_tokens"] = []
    return HFTokenizer.from_str(json.dumps(state))


def _find_control_block(engine: HFTokenizer, path: Path) -> ControlTokens:
    """The block is everything before the first single byte; its size must be a power of two and its names ours."""
    first_byte = min(
        (i for i in map(engine.token_to_id, pre_tokenizers.ByteLevel.alphabet()) if i is not None), default=0
    )
    try:
        control = ControlTokens(first_byte)
    except ConfigError:
        raise ConfigError(f"{path}: has no block of control tokens; train it with `polymath tokenizer train`") from None
    for index, name in enumerate(control.names()):
        if engine.token_to_id(name) != index:
            raise ConfigError(f"{path}: id {index} is not {name}; train it with `polymath tokenizer train`")
    return control
