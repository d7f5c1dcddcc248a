#!/usr/bin/env bash
# Sees to it that the tests have a Redis, a RabbitMQ and a PostgreSQL to talk to, and writes their addresses to
# target/services/env. What answers already is used as it is: at LATCHKEY_TEST_{REDIS,AMQP,POSTGRES}_URL, else at the usual
# local ports, else what an earlier run started. The rest is started here: plain processes, nothing kept, 127.0.0.1 only.
#   scripts/services.sh start   (a second run finds everything running)
#   scripts/services.sh stop    ends what it started, and nothing else
set -euo pipefail
cd "$(dirname "$0")/.."
home="$PWD/target/services"
# Where Debian keeps servers that are not on everybody's PATH.
server_path="$(printf ':%s' /usr/sbin /usr/lib/postgresql/*/bin)"
PATH="$PATH$server_path"
START_SECONDS=90

# host:port of a URL; the port is the second argument where the URL has none.
address_of() {
    local rest="${1#*://}"
    rest="${rest##*@}"
    rest="${rest%%/*}"
    case "$rest" in *:*) echo "$rest" ;; *) echo "$rest:$2" ;; esac
}

is_listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The usual port, or the next one that nobody listens on.
free_port() {
    local port="$1"
    while is_listening "$port"; do port=$((port + 1)); done
    echo "$port"
}

redis_answers() {
    [ "$(timeout 5 redis-cli --no-auth-warning -u "$1" ping 2>/dev/null)" = PONG ]
}

# Says the AMQP greeting and waits for the broker's first frame, which is a method frame: a byte 1.
amqp_answers() {
    local address first
    address="$(address_of "$1" 5672)"
    first="$(
        exec 2>/dev/null
        exec 3<>"/dev/tcp/${address%:*}/${address#*:}" &&
            printf 'AMQP\0\0\011\001' >&3 && timeout 5 head -c 1 <&3 | od -An -tu1
    )" || return 1
    [ "${first//[[:space:]]/}" = 1 ]
}

postgres_answers() {
    [ "$(PGCONNECT_TIMEOUT=5 psql -XAtc "SELECT 1" "$1" 2>/dev/null)" = 1 ]
}

start_redis() {
    mkdir -p "$home/redis"
    redis-server --port "$1" --bind 127.0.0.1 --save "" --appendonly no --dir "$home/redis" --daemonize yes \
        --logfile "$home/redis/log" --pidfile "$home/redis/pid" >/dev/null
    echo "redis://127.0.0.1:$1"
}

start_amqp() {
    mkdir -p "$home/rabbitmq"
    : >"$home/rabbitmq/empty.conf"
    # Debian's /usr/sbin/rabbitmq-server changes to a user that may not write here.
    local server=/usr/lib/rabbitmq/bin/rabbitmq-server
    [ -x "$server" ] || server=rabbitmq-server
    HOME="$home/rabbitmq" RABBITMQ_NODENAME="latchkey-tests-$1@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
        RABBITMQ_NODE_PORT="$1" RABBITMQ_DIST_PORT="$(free_port $(($1 + 20000)))" RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_MNESIA_BASE="$home/rabbitmq/mnesia" RABBITMQ_LOG_BASE="$home/rabbitmq/log" \
        RABBITMQ_PID_FILE="$home/rabbitmq/pid" RABBITMQ_CONFIG_FILE="$home/rabbitmq/empty" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/rabbitmq/plugins" \
        setsid "$server" >"$home/rabbitmq/output" 2>&1 </dev/null &
    echo "amqp://guest:guest@127.0.0.1:$1/%2f"
}

# PostgreSQL will not run as root; its own user cannot look into everybody's folders, so its data is not kept here.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start_postgres() {
    local data
    mkdir -p "$home/postgres"
    data="$(cd / && as_postgres mktemp -d "/var/tmp/latchkey-tests.XXXXXX")"
    echo "$data" >"$home/postgres/data"
    (
        cd /
        as_postgres initdb -D "$data/db" -A trust -U root -E UTF8 --locale=C.UTF-8 --no-sync >"$home/postgres/output"
        as_postgres pg_ctl -D "$data/db" -l "$data/log" -w -t "$START_SECONDS" start -o "-p $1 -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
            -c max_connections=300" >>"$home/postgres/output"
    )
    echo "postgres://root@127.0.0.1:$1/postgres"
}

await() {
    local deadline=$((SECONDS + START_SECONDS))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# ensure <kind> <variable> <default URL> <usual port>
ensure() {
    local kind="$1" variable="$2" url recorded port given="${!2:-}"
    recorded="$(sed -n "s/^export $2='\(.*\)'$/\1/p" "$home/env.before")"
    for url in ${given:-"$3" "$recorded"}; do
        # Without an address psql would ask whatever server has a socket here, and the tests have none to say.
        if [ -n "$url" ] && "${kind}_answers" "$url"; then
            echo "services: $kind: using ${url##*@}" >&2
            echo "export $variable='$url'" >>"$home/env"
            return
        fi
    done
    port="$(address_of "${given:-$3}" "$4")"
    case "$port" in
    127.0.0.1:* | localhost:*) port="$(free_port "${port#*:}")" ;;
    *) echo "services: $kind: $variable says $port, but nothing answers there" >&2 && exit 1 ;;
    esac
    url="$("start_$kind" "$port")"
    await "${kind}_answers" "$url" || {
        echo "services: $kind: did not start on port $port within $START_SECONDS s; see $home/$kind*" >&2
        exit 1
    }
    echo "services: $kind: started on port $port" >&2
    echo "export $variable='$url'" >>"$home/env"
}

start() {
    mkdir -p "$home"
    mv -f "$home/env" "$home/env.before" 2>/dev/null || : >"$home/env.before"
    ensure redis LATCHKEY_TEST_REDIS_URL redis://127.0.0.1:6379 6379
    ensure amqp LATCHKEY_TEST_AMQP_URL amqp://guest:guest@127.0.0.1:5672/%2f 5672
    ensure postgres LATCHKEY_TEST_POSTGRES_URL postgres://root@127.0.0.1:5432/postgres 5432
    # Tests that end a server on purpose start one of their own by its name.
    echo "export PATH=\"\$PATH${server_path}\"" >>"$home/env"
}

has_ended() {
    ! kill -0 "$1" 2>/dev/null
}

end_process() {
    local pid
    pid="$(cat "$1" 2>/dev/null)" || return 0
    kill "$pid" 2>/dev/null || return 0
    await has_ended "$pid" || kill -9 "$pid"
}

stop() {
    local data
    end_process "$home/redis/pid"
    end_process "$home/rabbitmq/pid"
    if data="$(cat "$home/postgres/data" 2>/dev/null)"; then
        (cd / && as_postgres pg_ctl -D "$data/db" -m immediate stop >/dev/null) || :
        rm -rf "$data"
    fi
    rm -rf "$home"
}

case "${1:-start}" in
start) start ;;
stop) stop ;;
*) sed -n '2,6s/^# //p' "$0" && exit 2 ;;
esac
