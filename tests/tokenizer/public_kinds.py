"""Folders with tokenizers of the kinds that public language models have, each trained on the package's own text."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from polymath.tokenizer import corpus

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CONTROLS = ["<unk>", "<s>", "</s>"]
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# First and last code point of forty scripts (Unicode 15, Blocks.txt).
SCRIPTS = {
    "Latin": (0x41, 0x7A), "Latin Extended": (0xC0, 0x24F), "Greek": (0x370, 0x3FF), "Cyrillic": (0x400, 0x4FF),
    "Armenian": (0x531, 0x58A), "Hebrew": (0x591, 0x5F4), "Arabic": (0x600, 0x6FF), "Syriac": (0x700, 0x74F),
    "Thaana": (0x780, 0x7B1), "NKo": (0x7C0, 0x7FA), "Devanagari": (0x900, 0x97F), "Bengali": (0x980, 0x9FE),
    "Gurmukhi": (0xA01, 0xA76), "Gujarati": (0xA81, 0xAFF), "Oriya": (0xB01, 0xB77), "Tamil": (0xB82, 0xBFA),
    "Telugu": (0xC00, 0xC7F), "Kannada": (0xC80, 0xCF3), "Malayalam": (0xD00, 0xD7F), "Sinhala": (0xD81, 0xDF4),
    "Thai": (0xE01, 0xE5B), "Lao": (0xE81, 0xEDF), "Tibetan": (0xF00, 0xFDA), "Myanmar": (0x1000, 0x109F),
    "Georgian": (0x10A0, 0x10FF), "Hangul Jamo": (0x1100, 0x11FF), "Ethiopic": (0x1200, 0x137C),
    "Cherokee": (0x13A0, 0x13FD), "Canadian": (0x1400, 0x167F), "Khmer": (0x1780, 0x17F9),
    "Mongolian": (0x1800, 0x18AA), "Hiragana": (0x3041, 0x309F), "Katakana": (0x30A0, 0x30FF),
    "Bopomofo": (0x3105, 0x312F), "Han": (0x4E00, 0x9FFF), "Yi": (0xA000, 0xA48C), "Vai": (0xA500, 0xA62B),
    "Hangul": (0xAC00, 0xD7A3), "Gothic": (0x10330, 0x1034A), "Emoji": (0x1F300, 0x1FAF8),
}  # fmt: skip


def random_strings(count: int, seed: int = 0) -> list[str]:
    """Words of a script or two, with digits, punctuation and spaces of all sorts between them."""
    rng, ranges, strings = np.random.default_rng(seed), list(SCRIPTS.values()), []
    between = [" ", " ", " ", "  ", "\n", "\n\n", "\t", "\u3000", "\u00a0", ", ", ".", "!?", " 42 ", "▁", "<", ">", "|"]
    for _ in range(count):
        scripts = [ranges[i] for i in rng.integers(0, len(ranges), 2)]
        words = []
        for _ in range(int(rng.integers(1, 6))):
            first, last = scripts[int(rng.integers(2))]
            words.append("".join(map(chr, rng.integers(first, last + 1, int(rng.integers(1, 8))))))
            words.append(between[int(rng.integers(len(between)))])
        strings.append("".join(words))
    return strings


def qwen() -> Tokenizer:
    """Byte-level BPE with NFC; its special tokens, and one that is none, behind the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>"])
    tokenizer.add_tokens([AddedToken("<|fim_prefix|>", normalized=False), AddedToken("<tool_call>", normalized=False)])
    return tokenizer


def llama3() -> Tokenizer:
    """Byte-level BPE that takes whole words first and puts a token before a text."""
    tokenizer = qwen()
    state = json.loads(tokenizer.to_str())
    state["model"]["ignore_merges"], state["normalizer"] = True, None
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = _begins_with(tokenizer, "<|endoftext|>")
    return tokenizer


def llama2() -> Tokenizer:
    """SentencePiece BPE with byte fallback; its special tokens are entries of the vocabulary that merges can reach."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = _sentence_piece_decoder()
    _train(tokenizer, trainers.BpeTrainer(vocab_size=1200, special_tokens=[*CONTROLS, *BYTES], limit_alphabet=300))
    state = json.loads(tokenizer.to_str())
    vocab, merges = state["model"]["vocab"], state["model"]["merges"]
    for token in ("<", ">", "s", "/", "s>", "</"):
        vocab.setdefault(token, len(vocab))
    merges += [["s", ">"], ["<", "/"], ["</", "s>"], ["<", "s>"]]  # as the conversion from SentencePiece makes them
    state["added_tokens"] = [entry for entry in state["added_tokens"] if entry["content"] in CONTROLS]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = _begins_with(tokenizer, "<s>")
    return tokenizer


def gemma() -> Tokenizer:
    """SentencePiece BPE cut at spaces, no space of its own before a text; runs of line ends are added tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    _train(tokenizer, trainers.BpeTrainer(vocab_size=1200, special_tokens=[*special, *BYTES], limit_alphabet=300))
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [entry for entry in state["added_tokens"] if entry["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])
    tokenizer.post_processor = _begins_with(tokenizer, "<bos>")
    return tokenizer


def unigram() -> Tokenizer:
    """SentencePiece Unigram behind Metaspace, with byte fallback."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = _sentence_piece_decoder()
    _train(tokenizer, trainers.UnigramTrainer(vocab_size=3000, special_tokens=CONTROLS, unk_token="<unk>"))
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] += [[name, -20.0] for name in BYTES]
    state["model"] |= {"unk_id": 0, "byte_fallback": True}
    return Tokenizer.from_str(json.dumps(state))


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "qwen": qwen, "llama3": llama3, "llama2": llama2, "gemma": gemma, "unigram": unigram,
}  # fmt: skip


def write(folder: Path, tokenizer: Tokenizer, **config: Any) -> Path:
    """A folder with tokenizer.json, and a config.json of these fields."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    fields = {"vocab_size": tokenizer.get_vocab_size(), **config}
    (folder / "config.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder


def is_nfc(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text)


def _train(tokenizer: Tokenizer, trainer: Any) -> None:
    trainer.show_progress = False
    tokenizer.train_from_iterator(list(corpus.shipped())[:600], trainer)


def _begins_with(tokenizer: Tokenizer, name: str) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, tokenizer.token_to_id(name))])


def _sentence_piece_decoder() -> decoders.Sequence:
    return decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
