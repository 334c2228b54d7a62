#!/bin/bash
# The manifests by the schemas of Kubernetes, the unit by systemd, as far as this machine has the programs.
#   deploy/check.sh DIRECTORY_OF_KUBERNETES_VALIDATE
set -euo pipefail
tools=$(cd "$1" && pwd)
cd "$(dirname "$0")"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$tools/kubernetes-validate" --strict kubernetes/cpu/deployment.yaml kubernetes/cpu/service.yaml
if command -v kubectl > /dev/null; then
  for variant in cpu cuda; do
    kubectl kustomize "kubernetes/$variant" > "$place/$variant.yaml"
    "$tools/kubernetes-validate" --strict "$place/$variant.yaml"
  done
else
  echo "no kubectl on this machine: kubernetes/cuda was not put together"
fi
if command -v systemd-analyze > /dev/null; then
  sed 's#/opt/polymath/bin/polymath#/bin/true#' polymath-serve.service > "$place/polymath-serve.service"
  complaints=$(systemd-analyze verify "$place/polymath-serve.service" 2>&1 | grep polymath-serve || true)
  [ -z "$complaints" ] || { echo "$complaints"; exit 1; }
  systemd-analyze security --offline=true --threshold=35 "$place/polymath-serve.service" > /dev/null
else
  echo "no systemd on this machine: polymath-serve.service was not checked"
fi
echo "deploy-check: PASS"
