#!/usr/bin/env bash
# Makes a stand-in, under the same name, for a public image that docker-compose.yml or our Dockerfile names: for machines that
# reach a Debian mirror but no registry of images. For `make compose-test` only.
#   scripts/stand-in-images.sh IMAGE
# The Rust image takes this machine's toolchain and the crates of Cargo.lock along, so that building needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
image="${1:?usage: $0 IMAGE}"
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# debian <package>…: a small Debian with these packages, in $root.
debian() {
    local include="$*"
    mmdebstrap --quiet --variant=essential ${include:+--include="${include// /,}"} bookworm "$root"
}

# finish <docker import option>…: makes the image of what is in $root.
finish() {
    local changes=()
    for change in "$@"; do changes+=(--change "$change"); done
    tar -C "$root" --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -c . | docker import "${changes[@]}" - "$image"
}

case "$image" in
debian:*)
    debian
    finish 'CMD ["bash"]'
    ;;
redis:*)
    debian redis-server
    mkdir "$root/data"
    finish 'WORKDIR /data' 'CMD ["redis-server"]'
    ;;
rabbitmq:*)
    debian rabbitmq-server
    finish 'CMD ["rabbitmq-server"]'
    ;;
postgres:*)
    debian postgresql
    # What the public image does with its settings, in short.
    cat >"$root/usr/local/bin/entrypoint" <<'SCRIPT'
#!/bin/bash
set -euo pipefail
data=/var/lib/postgresql/data
install -d -o postgres -m 700 "$data"
install -d -o postgres /var/run/postgresql
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
if [ ! -e "$data/PG_VERSION" ]; then
    as_postgres initdb -D "$data" -U "$POSTGRES_USER" -E UTF8 --locale=C.UTF-8 -A scram-sha-256 --auth-local=trust
    echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
    as_postgres pg_ctl -D "$data" -w start -o "-c listen_addresses=''"
    as_postgres createdb -U "$POSTGRES_USER" "$POSTGRES_USER"
    as_postgres psql -U "$POSTGRES_USER" -c "ALTER USER $POSTGRES_USER PASSWORD '$POSTGRES_PASSWORD'"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        as_postgres psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -f "$script"
    done
    as_postgres pg_ctl -D "$data" -w stop
fi
exec setpriv --reuid postgres --regid postgres --init-groups postgres -D "$data" -c listen_addresses='*'
SCRIPT
    chmod +x "$root/usr/local/bin/entrypoint"
    finish 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        'ENTRYPOINT ["entrypoint"]'
    ;;
rust:*)
    version="${image#rust:}" sysroot="$(rustc --print sysroot)"
    [ "$(rustc --version | cut -d' ' -f2)" = "${version%%-*}" ] || { echo "this machine's Rust is not $version" >&2 && exit 1; }
    debian gcc g++ libc6-dev make ca-certificates
    cargo fetch --locked --target x86_64-unknown-linux-gnu
    mkdir -p "$root/usr/local/rust" "$root/usr/local/cargo"
    tar -C "$sysroot" --exclude=./share --exclude=./lib/rustlib/src -c . | tar -C "$root/usr/local/rust" -x
    cp -r "${CARGO_HOME:-$HOME/.cargo}/registry" "$root/usr/local/cargo/registry"
    rm -rf "$root/usr/local/cargo/registry/src"
    finish 'ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        'ENV CARGO_HOME=/usr/local/cargo' 'ENV CARGO_NET_OFFLINE=true' \
        "LABEL latchkey.crates=$(sha256sum Cargo.lock | cut -d' ' -f1)"
    ;;
*)
    echo "no stand-in is known for $image" >&2
    exit 1
    ;;
esac
