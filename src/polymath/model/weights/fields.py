"""The fields of a published JSON file: every one is taken by name, and any other is refused.

A field that we do not know may change what the model computes, so it is never passed over. `HARMLESS` lists those of
Hugging Face's configurations that change nothing a forward pass computes: names, token numbers, settings of generation
and of training.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from polymath.errors import ConfigError
from polymath.model.weights.pointers import refuse_pointer

SMALLEST, LARGEST = 1e-30, 1e30  # of a published number: float32 holds it, and float64 its square
REMEDY = "it may change what the model computes; fetch a model without it, or remove the field if it changes nothing"
HARMLESS = frozenset(
    """
    _attn_implementation _attn_implementation_autoset _flash_attn_2_enabled _name_or_path attention_dropout
    attn_implementation bad_words_ids begin_suppress_tokens bos_token_id cache_implementation chunk_size_feed_forward
    decoder_start_token_id diversity_penalty do_sample dtype early_stopping embd_pdrop encoder_no_repeat_ngram_size
    eos_token_id exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id id2label
    initializer_range is_decoder label2id length_penalty max_length max_sequence_length min_length
    model_max_length name_or_path no_repeat_ngram_size num_beam_groups num_beams num_labels num_return_sequences
    output_attentions output_hidden_states output_scores pad_token_id prefix pretraining_tp problem_type
    remove_invalid_values repetition_penalty resid_pdrop return_dict return_dict_in_generate sep_token_id
    suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder tokenizer_class top_k top_p
    torch_dtype torchscript transformers.js_config transformers_version typical_p unk_token_id unsloth_fixed
    unsloth_version use_bfloat16 use_cache use_flash_attention_2
    """.split()  # noqa: SIM905  (one name a line would be half of this file)
)


class Fields:
    """A JSON object of the file at `path`; `within` is its own field's name there, with a dot behind it."""

    def __init__(self, path: Path, values: dict[str, Any], within: str = "") -> None:
        self.path = path
        self._values = values
        self._within = within
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def name(self, name: str) -> str:
        """The field's own name in the file, with the objects that it stands in."""
        return self._within + name

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a field, which from now on counts as known."""
        self._taken.add(name)
        return self._values.get(name, default)

    def require(self, name: str, kind: str) -> Any:
        """As `take`. Raises ConfigError where the field is missing; `kind`: what file it should be."""
        if name not in self._values:
            raise ConfigError(
                f"{self.path}: has no field {self._within + name!r}; is it {kind}? fetch the file again, or write the "
                "value that the model was trained with"
            )
        return self.take(name)

    def section(self, name: str) -> "Fields | None":
        """The JSON object that a field holds; None where it is missing, null or empty."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            self.refuse(name, "must be a JSON object", "fetch the file again")
        return Fields(self.path, value, f"{self._within}{name}.") if value else None

    def integer(self, name: str, default: int | None = None) -> int:
        """A positive whole number; `default` where the field is missing."""
        value = self.take(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
            self.refuse(name, "must be a positive whole number", "fetch the file again")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number from 1e-30 to 1e30; `default` where the field is missing."""
        value = self.take(name, default)
        if not is_number(value) or value < SMALLEST:
            self.refuse(name, f"must be a positive number, {SMALLEST:g} to {LARGEST:g}", "fetch the file again")
        return float(value)

    def only(self, name: str, *allowed: Any) -> Any:
        """A field that must have one of these values; the first of them where it is missing."""
        value = self.take(name, allowed[0])
        if not any(value == choice and type(value) is type(choice) for choice in allowed):
            choices = " or ".join(map(repr, allowed))
            self.refuse(name, f"only {choices} can be computed here", "use another model")
        return value

    def pass_over(self, names: Iterable[str]) -> None:
        """Fields that change nothing."""
        self._taken.update(names)

    def finish(self) -> None:
        """Raise ConfigError for the first field that was not taken; one that is null counts as missing."""
        for name, value in self._values.items():
            if name not in self._taken and value is not None:
                self.refuse(name, "a field that is not known here", REMEDY)

    def refuse(self, name: str, reason: str, remedy: str) -> NoReturn:
        raise ConfigError(
            f"{self.path}: {self._within}{name} is {brief(self._values.get(name))}, but {reason}; {remedy}"
        )


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value of a JSON file is a number, of at most 1e30 in size; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def brief(value: Any) -> str:
    """A value on one line, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def read_fields(path: Path) -> Fields:
    """Raises ConfigError for a file that is missing, no JSON object, or has a field twice."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        refuse_pointer(path)
        values = json.loads(text, object_pairs_hook=_once)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{path}: no such file; fetch the model with its {path.name}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); fetch it again") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON ({error}); {_remedy(path)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds {brief(values)}, but it must be a JSON object; fetch it again")
    return Fields(path, values)


def _remedy(path: Path) -> str:
    """What a download was answered instead of the file may say that the model is gated."""
    with path.open("rb") as file:
        start = file.read(4096).lower()
    if any(word in start for word in (b"gated", b"restricted", b"authorized", b"<html", b"<!doctype")):
        return (
            "it holds the answer of a server instead of the file: ask for access on the model's page, log in (`hf auth "
            "login`), and fetch the folder again"
        )
    return "fetch it again"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return values
