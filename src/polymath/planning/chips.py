"""What one chip can do, each number with its source.

Rates are per chip and per direction: `link` is one neighbour's link of a torus one way; inside an NVLink domain it is
what a GPU sends to all others together. GB are 1e9 bytes, as the makers count.
"""

from dataclasses import dataclass

from polymath.errors import ConfigError, did_you_mean

GIB = 2**30
SCALING_BOOK = "Austin et al. 2025, How To Scale Your Model, 'TPU specs' (jax-ml.github.io/scaling-book/tpus)"
XLA_V4 = "30.75 GiB is what XLA's compile-time out-of-memory message gives on v4"


@dataclass(frozen=True)
class Chip:
    """One accelerator.

    peak: bf16 FLOP/s (dense); memory and usable: bytes, the latter after the runtime's own; bandwidth: HBM byte/s;
    link: byte/s one way of one torus link, or of a GPU's NVLink port as a whole; axes: dimensions of the torus, 0 for
    a switched domain of `domain` chips; network: byte/s one way a chip to other slices or nodes; host: byte/s one way
    over PCIe a chip; wraps: an axis closes to a ring if its length is a multiple of this.
    """

    name: str
    peak: float
    memory: float
    usable: float
    bandwidth: float
    link: float
    axes: int
    network: float
    host: float
    domain: int
    wraps: int
    libtpu: str | None
    sources: tuple[str, ...]


def _tpu(
    name: str, peak: float, memory: float, usable: float, bandwidth: float, link: float, axes: int, *sources: str
) -> Chip:
    """A TPU: hosts of 4 chips (v4, v5p) or 8 (v5e, v6e) share 2 x 100 Gbit/s to the data centre."""
    domain = 4 if axes == 3 else 8
    wraps = 4 if axes == 3 else 16
    ring = "axes of a multiple of 4 chips are rings" if axes == 3 else "axes of 16 chips are rings"
    common = (
        SCALING_BOOK,
        f"{ring} (same book, 'TPU networking')",
        "2 x 100 Gbit/s a host (docs.cloud.google.com/tpu/docs/v5e; taken over for the others)",
        "PCIe gen3 x16, 16 GB/s, shared by two chips (same book)",
    )
    network = 25e9 / domain
    return Chip(name, peak, memory, usable, bandwidth, link, axes, network, 8e9, domain, wraps, name, sources + common)


USABLE_GPU = "usable: 92 %, what XLA's client leaves to the program at XLA_PYTHON_CLIENT_MEM_FRACTION=0.92"


def _gpu(name: str, peak: float, memory: float, bandwidth: float, link: float, source: str) -> Chip:
    """A node of eight GPUs behind one NVSwitch, one 400 Gbit/s port a GPU (DGX H100 and B200 system guides)."""
    sources = (
        source,
        "one way is half of the NVLink figure NVIDIA prints; 8 x 400 Gbit/s a node (DGX system guides)",
        USABLE_GPU,
        "PCIe gen5 x16: 64 GB/s one way",
    )
    return Chip(name, peak, memory, 0.92 * memory, bandwidth, link, 0, 50e9, 64e9, 8, 1, None, sources)


def _a100(name: str, memory: float, bandwidth: float) -> Chip:
    """A node of eight behind one NVSwitch, one 200 Gbit/s port a GPU (DGX A100 system guide)."""
    sources = (
        "NVIDIA A100 data sheet, SXM4: 312 TFLOP/s bf16 without sparsity, NVLink 600 GB/s both ways",
        "8 x 200 Gbit/s a node (DGX A100 system guide); PCIe gen4 x16: 32 GB/s one way",
        USABLE_GPU,
    )
    return Chip(name, 312e12, memory, 0.92 * memory, bandwidth, 300e9, 0, 25e9, 32e9, 8, 1, None, sources)


def _card(name: str, peak: float, memory: float, bandwidth: float, host: float, source: str) -> Chip:
    """A card without NVLink: to others in its machine it speaks over PCIe."""
    sources = (
        source,
        "peak: bf16 products summed in float32, without sparsity",
        f"no NVLink: PCIe x16, {host / 1e9:.0f} GB/s one way; network between machines assumed: 10 Gbit/s a card",
        USABLE_GPU,
    )
    return Chip(name, peak, memory, 0.92 * memory, bandwidth, host, 0, 1.25e9, host, 8, 1, None, sources)


CHIPS: dict[str, Chip] = {
    chip.name: chip
    for chip in (
        _tpu("v4", 275e12, 32 * GIB, 30.75 * GIB, 1.2e12, 45e9, 3, XLA_V4),
        _tpu(
            "v5p",
            459e12,
            95e9,
            0.96 * 95e9,
            2.765e12,
            90e9,
            3,
            "459 TFLOP/s, 95 GB, 2765 GB/s (docs.cloud.google.com/tpu/docs/v5p)",
            "usable: v4's share, 30.75 of 32 GiB, taken over",
        ),
        _tpu(
            "v5e",
            197e12,
            16 * GIB,
            0.96 * 16 * GIB,
            819e9,
            45e9,
            2,
            "197 TFLOP/s, 16 GB, 819 GB/s (docs.cloud.google.com/tpu/docs/v5e)",
            "usable: v4's share, 30.75 of 32 GiB, taken over",
        ),
        _tpu(
            "v6e",
            918e12,
            32 * GIB,
            0.96 * 32 * GIB,
            1.638e12,
            90e9,
            2,
            "918 TFLOP/s, 32 GB, 1638 GB/s (docs.cloud.google.com/tpu/docs/v6e)",
            "usable: v4's share, 30.75 of 32 GiB, taken over",
        ),
        _gpu("h100", 989e12, 80e9, 3.35e12, 450e9, "NVIDIA H100 data sheet, SXM5: 989 TFLOP/s bf16 without sparsity"),
        _gpu("h200", 989e12, 141e9, 4.8e12, 450e9, "NVIDIA H200 data sheet, SXM5: 989 TFLOP/s bf16 without sparsity"),
        _gpu("b200", 2250e12, 180e9, 8e12, 900e9, "NVIDIA HGX B200 data sheet: 36 PFLOP/s sparse bf16 of 8 GPUs"),
        _a100("a100", 80e9, 2.039e12),
        _a100("a100_40gb", 40e9, 1.555e12),
        _card("rtx3090", 71e12, 24 * GIB, 936e9, 32e9, "NVIDIA Ampere GA102 whitepaper, appendix A"),
        _card("rtx4090", 165.2e12, 24 * GIB, 1008e9, 32e9, "NVIDIA Ada GPU architecture whitepaper, appendix A"),
        _card("rtx5090", 209.5e12, 32 * GIB, 1792e9, 64e9, "NVIDIA RTX Blackwell GPU architecture whitepaper"),
        _card("l40s", 362e12, 48e9, 864e9, 32e9, "NVIDIA L40S data sheet: 733 TFLOP/s bf16 with sparsity"),
        Chip(
            "cpu",
            peak=96e9,
            memory=4 * GIB,
            usable=4 * GIB,
            bandwidth=10e9,
            link=5e9,
            axes=0,
            network=1e9,
            host=10e9,
            domain=1024,
            wraps=1,
            libtpu=None,
            sources=(
                "assumed, not measured: one 3 GHz core with two 8-wide float32 FMA units, 4 GiB and 10 GB/s each",
            ),
        ),
    )
}


def chip(name: str) -> Chip:
    """The chip of that name. Raises ConfigError with the known ones."""
    if name.lower() in CHIPS:
        return CHIPS[name.lower()]
    hint = did_you_mean(name.lower(), CHIPS)
    raise ConfigError(f"--topology: no chip {name!r}; {hint} (known: {', '.join(CHIPS)})")
