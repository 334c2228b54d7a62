"""XLA's flags with which a CPU program is compiled in a fraction of the time; of LLVM alone, the numbers are the same.

For tests of what a program computes or how a process goes on, not for tests of what a CPU's code does to the last bit
(whether a row's answer depends on the rows beside it): those need the code that everybody runs.
"""

from importlib.metadata import version

from packaging.version import Version

QUICK = "--xla_backend_optimization_level=0"
if Version(version("jax")) < Version("0.11"):  # from then on XLA has these emitters alone, which compile slowly
    QUICK += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
