"""Text and robot actions as integers: the byte-level BPE, the control-token block inside it, action binning."""

from polymath.tokenizer.bpe import Tokenizer
from polymath.tokenizer.control_tokens import ControlTokens
from polymath.tokenizer.training import train

__all__ = ["ControlTokens", "Tokenizer", "train"]
