#!/usr/bin/env bash
# Checks every SQL statement against a real schema and writes what is needed to check them again without one (.sqlx/).
# Run it after changing a statement or a migration, for all services or for those that are named. Needs PostgreSQL:
# LATCHKEY_TEST_POSTGRES_URL, or localhost.
set -euo pipefail
cd "$(dirname "$0")/.."
admin="${LATCHKEY_TEST_POSTGRES_URL:-postgres://root@127.0.0.1:5432/postgres}"
[ $# -gt 0 ] || set -- auth webhook
for service in "$@"; do
    [ -d "$service-svc/migrations" ] || continue
    database="latchkey_prepare_$service"
    psql -q "$admin" -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
    url="${admin%/*}/$database"
    for migration in "$service-svc"/migrations/*.sql; do
        psql -q -v ON_ERROR_STOP=1 "$url" -f "$migration"
    done
    rm -rf "$service-svc/.sqlx" && mkdir -p "$service-svc/.sqlx"
    touch "$service-svc/src/lib.rs"
    SQLX_OFFLINE=false DATABASE_URL="$url" SQLX_OFFLINE_DIR="$PWD/$service-svc/.sqlx" cargo check -q -p "$service-svc" --lib
done
