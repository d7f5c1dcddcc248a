#!/usr/bin/env bash
# Starts docker-compose.yml with images built from this tree, drives the tour of the README against it with the latchkey
# program, and takes everything down again.
# Where no container engine answers, one is started by hand in namespaces of its own, so that the machine's mounts and its
# firewall are left alone; the latter is checked. Images that cannot be pulled are made from the packages of this machine's
# Debian mirror and its Rust (scripts/stand-in-images.sh). Needs root and Debian for that; images are kept in
# target/compose-test.
set -euo pipefail
cd "$(dirname "$0")/.."
home="$PWD/target/compose-test"
mkdir -p "$home"
export COMPOSE_PROJECT_NAME=latchkey-test
PORTS_SECONDS=120

say() { echo "compose-test: $*" >&2; }
fail() {
    say "FAILED: $*"
    exit 1
}

firewall() {
    iptables-save 2>/dev/null | grep -v '^#' || :
    ip6tables-save 2>/dev/null | grep -v '^#' || :
    cat /proc/sys/net/ipv4/ip_forward
}

await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.5
    done
}

# --- The container engine.

engine_pid=
inside=()

start_engine() {
    say "starting a container engine of its own"
    [ "$(id -u)" -eq 0 ] || fail "no container engine answers, and starting one takes root"
    scripts/install.sh compose
    export DOCKER_HOST="unix://$home/docker.sock"
    unshare --net --mount dockerd --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/pid" \
        --host "$DOCKER_HOST" >"$home/dockerd.log" 2>&1 </dev/null &
    engine_pid=$!
    inside=(nsenter --net --target "$engine_pid")
    await 60 docker version || fail "the container engine does not start; see $home/dockerd.log"
    "${inside[@]}" ip link set lo up
}

compose() {
    "${compose_program[@]}" "$@"
}

clean_up() {
    local status=$?
    trap - EXIT
    if [ "$status" -ne 0 ]; then
        compose ps >&2 || :
        compose logs --no-color --tail 40 >&2 || :
    fi
    compose down --volumes --remove-orphans >"$home/down.log" 2>&1 || say "could not take it down; see $home/down.log"
    if [ -n "$engine_pid" ]; then
        kill "$engine_pid" && wait "$engine_pid" || :
        if [ "$(firewall)" != "$before" ]; then
            say "the firewall is not as it was"
            status=1
        fi
    fi
    exit "$status"
}

before="$(firewall)"
trap clean_up EXIT
compose_program=(docker-compose)
docker info >/dev/null 2>&1 || start_engine
docker compose version >/dev/null 2>&1 && compose_program=(docker compose)

# --- Images.

# The stand-in for the Rust image holds the crates of Cargo.lock and is made again when those change.
crates="$(sha256sum Cargo.lock | cut -d' ' -f1)"
is_here() {
    local label
    label="$(docker image inspect --format '{{index .Config.Labels "latchkey.crates"}}' "$1" 2>/dev/null)" &&
        { [ -z "$label" ] || [ "$label" = "$crates" ]; }
}
for image in rust:1.95.0-bookworm debian:bookworm-slim redis:7.2-bookworm rabbitmq:3.13 postgres:15-bookworm; do
    is_here "$image" && continue
    if [ -n "$engine_pid" ] || ! docker pull -q "$image"; then
        say "making a stand-in for $image"
        scripts/stand-in-images.sh "$image" >"$home/stand-in.log" 2>&1 || fail "no stand-in; see $home/stand-in.log"
    fi
done
say "building our images"
compose --profile tools build >"$home/build.log" 2>&1 || fail "the build failed; see $home/build.log"

# --- Up.

say "starting"
# What a run that was killed left behind.
compose down --volumes --remove-orphans >"$home/down.log" 2>&1
compose up --detach >"$home/up.log" 2>&1 || fail "up failed; see $home/up.log"
for port in 9013 9023 9033; do
    await "$PORTS_SECONDS" "${inside[@]}" curl -fsS "http://127.0.0.1:$port/readyz" || fail "nothing is ready at port $port"
done
for service in auth-svc session-svc webhook-svc; do
    container="$(compose ps -q "$service")"
    is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; }
    await 60 is_healthy || fail "$service is not healthy"
    [ "$(docker inspect --format '{{.Config.User}}' "$container")" = 65532:65532 ] || fail "$service runs as root"
done

# --- The tour.

latchkey() {
    compose run --rm --no-deps -T latchkey "$@" </dev/null
}
# Runs latchkey, shows its answer, and fails unless one of its lines is "active".
is_active() {
    local answer
    answer="$(latchkey "$@")" && echo "$answer" && grep -qx active <<<"$answer"
}
field() {
    python3 -c 'import json, sys; value = json.load(sys.stdin)
for part in sys.argv[1].split("."): value = value[int(part) if part.isdigit() else part]
print(value)' "$1"
}
ada=ada@example.com
export LATCHKEY_PASSWORD='correct horse battery staple'

say "the tour: an endpoint, and a receiver for it"
secret="$(latchkey endpoints create --url http://localhost:9050/ --event session.revoked --json | field secret)"
compose run --rm --no-deps -T latchkey receive --port 9050 --secret "$secret" --count 1 --json \
    >"$home/webhook.json" 2>"$home/receive.log" </dev/null &
receiver=$!
await 60 grep -q 'receiving webhooks' "$home/receive.log" || fail "the receiver does not start; see $home/receive.log"

say "the tour: sign in, look, refresh"
latchkey login "$ada" --application demo-web --json >"$home/login.json"
token="$(field tokens.refresh_token <"$home/login.json")"
latchkey sessions list --user "$ada"
id="$(latchkey sessions list --user "$ada" --json | field 0.id)"
is_active sessions validate "$id" || fail "the session is not active"
latchkey refresh "$token" --application demo-web --json | field tokens.access_token >"$home/access"
is_active introspect "$(cat "$home/access")" || fail "the access token is not active"

say "the tour: end it, and be told"
latchkey sessions revoke --user "$ada"
if latchkey sessions validate "$id"; then fail "a revoked session validates"; fi
is_received() { ! kill -0 "$receiver" 2>/dev/null; }
await 60 is_received || {
    latchkey deliveries list >&2
    fail "no webhook came within a minute"
}
wait "$receiver" || fail "the receiver failed; see $home/receive.log"
[ "$(field signature <"$home/webhook.json")" = good ] || fail "the webhook's signature is not good"
[ "$(field body.type <"$home/webhook.json")" = session.revoked ] || fail "the webhook is another one"
[ "$(field body.data.session.id <"$home/webhook.json")" = "$id" ] || fail "the webhook is of another session"
is_delivered() { latchkey deliveries list --state succeeded --json | grep -q msg_; }
await 30 is_delivered || fail "the delivery is not shown as done"
latchkey deliveries list
latchkey events list

say "the hosted pages"
"${inside[@]}" curl -fsS http://localhost:9011/.well-known/openid-configuration | field issuer |
    grep -qx http://localhost:9011 || fail "the issuer is another one"
say "passed"
