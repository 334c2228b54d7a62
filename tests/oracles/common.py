"""What the oracles of published models share: non-trivial random weights, comparison, the place of the fixtures."""

import sys
from pathlib import Path

import numpy as np
import torch

FIXTURES = Path(__file__).parents[1] / "fixtures"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def randomise(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Every weight random, biases, norms and class tokens too, so that a dropped term shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if not weight.numel() or not weight.ndim:
                continue
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1 and name.endswith("weight"):
                weight.copy_(1.0 + 0.1 * noise)
            elif weight.ndim == 1:
                weight.copy_(0.1 * noise)
            else:
                weight.copy_(noise * weight[0].numel() ** -0.5)
    return module.eval()


def images(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def pixels(images: np.ndarray, mean: tuple, std: tuple) -> torch.Tensor:
    """[B, 3, size, size], normalised."""
    x = (images.astype(np.float32) / 255.0 - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def check(what: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-4) -> None:
    """Print the error relative to the norm; end the program if it is above the tolerance."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        sys.exit(f"{what}: shape {ours.shape}, expected {theirs.shape}")
    error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    print(f"{what:60s} relative error {error:.1e}", flush=True)
    if not error <= tolerance:
        sys.exit(f"{what}: above {tolerance:.0e}")
