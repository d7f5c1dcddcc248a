#!/usr/bin/env bash
# Checks what is in deploy/ and docker-compose.yml as far as that goes without a cluster: the manifests build and fit the
# schemas of Kubernetes, every setting that they give exists, and the image is built with the Rust of rust-toolchain.toml.
# Says what it skips where kubectl (with kustomize 5), kubernetes-validate or PyYAML are missing; `scripts/install.sh check`
# brings the last two.
set -euo pipefail
cd "$(dirname "$0")/.."
KUBERNETES=1.34
rendered="$(mktemp -d)"
trap 'rm -rf "$rendered"' EXIT
PATH="$PWD/.tools/python/bin:$PATH"

rust="$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)"
grep -q "^FROM rust:$rust-" deploy/docker/Dockerfile || {
    echo "check-manifests: deploy/docker/Dockerfile must build with Rust $rust, like rust-toolchain.toml" >&2
    exit 1
}

if kubectl version --client 2>/dev/null | grep -q '^Kustomize Version: v5'; then
    for overlay in dev production; do
        kubectl kustomize "deploy/kubernetes/overlays/$overlay" >"$rendered/$overlay.yaml"
    done
else
    echo "check-manifests: skipped deploy/kubernetes: no kubectl with kustomize 5 here"
fi
for file in "$rendered"/*.yaml; do
    [ -e "$file" ] || continue
    if ! command -v kubernetes-validate >/dev/null; then
        echo "check-manifests: skipped the schemas of Kubernetes: no kubernetes-validate here"
        break
    fi
    kubernetes-validate --strict -k "$KUBERNETES" "$file" >"$rendered/report" 2>&1 || {
        grep -v ' passed for resource ' "$rendered/report" >&2
        exit 1
    }
done
if python3 -c 'import tomllib, yaml' 2>/dev/null; then
    python3 scripts/check-settings.py docker-compose.yml "$rendered"/*.yaml
else
    echo "check-manifests: skipped the settings: no Python 3.11 with PyYAML here"
fi
