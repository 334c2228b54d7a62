"""Text and robot actions as integers: the byte-level BPE, the control-token block inside it, action binning."""

from polymath.tokenizer.bpe import Tokenizer, train
from polymath.tokenizer.control_tokens import ControlTokens

__all__ = ["ControlTokens", "Tokenizer", "train"]
