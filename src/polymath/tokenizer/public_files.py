"""The files of a public model's tokenizer: what a folder of Hugging Face says, and how a run keeps it.

FOLDER/tokenizer.json            the vocabulary
FOLDER/config.json               vocab_size (the rows of the embeddings), eos_token_id
FOLDER/tokenizer_config.json     add_bos_token, bos_token, eos_token; it may be missing

RUN/tokenizer.json               the same, byte for byte
RUN/control_tokens.json          {"first": 151936, "size": 512, "bos": null, "eos": 151643}
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Engine

from polymath.errors import ConfigError
from polymath.files import atomic_write
from polymath.tokenizer.control_tokens import ControlTokens

BESIDE = "control_tokens.json"
OTHER_FORMS = ("tokenizer.model", "vocab.json", "merges.txt")
POINTER = "version https://git-lfs"
AGAIN = "fetch the model again"


def read_folder(folder: Path, size: int) -> tuple[str, ControlTokens]:
    """The text of the folder's tokenizer.json, and a block of `size` control tokens behind its last id.

    Raises ConfigError, naming file and field, for a file that is missing, a pointer or damaged.
    """
    path = folder / "tokenizer.json"
    if not path.exists() and any((folder / name).exists() for name in OTHER_FORMS):
        raise ConfigError(
            f"{path}: no such file, but the tokenizer in another form; write it with transformers: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )
    text = _read(path)
    engine = open_engine(path, text)
    model = _read_json(folder / "config.json")
    nested = model.get("text_config")
    model = {**nested, **model} if isinstance(nested, dict) else model
    rows = model.get("vocab_size")
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ConfigError(f"{folder / 'config.json'}: vocab_size is {rows!r}, but it must be a whole number; {AGAIN}")
    first = max(rows, 1 + max(engine.get_vocab(with_added_tokens=True).values()))
    settings = _read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    return text, ControlTokens(
        size, first, _begin(folder, engine, settings), _end(folder, engine, model, settings, first)
    )


def read_kept(path: Path) -> tuple[str, ControlTokens] | None:
    """As `read_folder`, from what `write` wrote at `path`; None where no control_tokens.json stands beside it."""
    beside = path.with_name(BESIDE)
    if not beside.is_file():
        return None
    block = _read_json(beside)
    try:
        numbers = [block[name] for name in ("size", "first", "bos", "eos")]
        if not all(isinstance(n, int) and n >= 0 for n in numbers if n is not None) or None in numbers[:2]:
            raise ValueError("no ids")
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{beside}: not a block of control tokens ({error!r}); copy the whole run again") from None
    return _read(path), ControlTokens(*numbers)


def write(path: Path, text: str, control: ControlTokens) -> None:
    """The inverse of `read_kept`."""
    block = {"first": control.first, "size": control.size, "bos": control.own_bos, "eos": control.own_eos}
    with atomic_write(path.with_name(BESIDE)) as temporary:
        temporary.write_text(json.dumps(block) + "\n", encoding="utf-8")
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


def open_engine(path: Path, text: str) -> Any:
    """The tokenizer as its own library reads it. Raises ConfigError for a file that it cannot read."""
    try:
        return Engine.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise ConfigError(f"{path}: not a tokenizer file ({str(error).splitlines()[0]}); {AGAIN}") from None


def _begin(folder: Path, engine: Any, settings: dict[str, Any]) -> int | None:
    """The id that the tokenizer puts before a text; None if it puts none there."""
    bare, whole = (engine.encode("a", add_special_tokens=added).ids for added in (False, True))
    before = whole[: next((n for n in range(len(whole)) if whole[n : n + len(bare)] == bare), 0)]
    if len(before) > 1:
        raise ConfigError(
            f"{folder / 'tokenizer.json'}: post_processor puts {len(before)} tokens before a text, but only one is "
            "known here; use another model"
        )
    if before:
        return int(before[0])
    return _named(folder, engine, settings, "bos_token") if settings.get("add_bos_token") is True else None


def _end(folder: Path, engine: Any, model: dict[str, Any], settings: dict[str, Any], first: int) -> int | None:
    """The id of the model's end of a text: config.json's, of several the first, else the tokenizer's."""
    stated = model.get("eos_token_id")
    number = stated[0] if isinstance(stated, list) and stated else stated
    if number is None or number == []:
        return _named(folder, engine, settings, "eos_token")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < first:
        raise ConfigError(
            f"{folder / 'config.json'}: eos_token_id is {stated!r}, but it must be an id below {first:,}; {AGAIN}"
        )
    return number


def _named(folder: Path, engine: Any, settings: dict[str, Any], field: str) -> int | None:
    """The id of a token that tokenizer_config.json names; None where it names none."""
    token = settings.get(field)
    name = token.get("content") if isinstance(token, dict) else token
    if name is None:
        return None
    number = engine.token_to_id(name) if isinstance(name, str) else None
    if number is None:
        raise ConfigError(
            f"{folder / 'tokenizer_config.json'}: {field} is {name!r}, which tokenizer.json does not hold; {AGAIN}"
        )
    return int(number)


def _read(path: Path) -> str:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; fetch the model with its {path.name}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error.reason}); {AGAIN}") from None
    if text.startswith(POINTER):
        raise ConfigError(
            f"{path}: a Git LFS pointer instead of the file itself; run `git lfs pull` there, or download the file"
        )
    return text


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON ({error}); {AGAIN}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: must be a JSON object; {AGAIN}")
    return value
