#!/bin/bash
# Polymath-V on GPU nodes with SLURM: one task a GPU; jax finds the other tasks in SLURM's own variables.
#   DATA=/data OUT=/runs/finetune sbatch --nodes 4 deploy/slurm.sh polymath_v_8b --set robot.steps=20000
# SIGTERM comes two minutes before the time limit; the run then saves a checkpoint, and the same command goes on from it.
#SBATCH --job-name=polymath
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

: "${DATA:?set DATA to the directory that holds pairs, episodes and tokenizer.json}"
: "${OUT:?set OUT to the run directory, on a file system that all nodes share}"

preset=${1:?usage: sbatch deploy/slurm.sh PRESET [arguments of polymath train]}
shift

exec srun --kill-on-bad-exit=1 polymath train "$preset" \
  --data "$DATA/pairs" "$DATA/episodes" --tokenizer "$DATA/tokenizer.json" --out "$OUT" \
  --set "mesh.data=$SLURM_NTASKS" "$@"
