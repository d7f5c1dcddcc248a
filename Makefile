# Every task of the repository. `make help` lists them.

TOOLS := $(CURDIR)/.tools
export PATH := $(TOOLS)/bin:$(TOOLS)/python/bin:$(TOOLS)/node/node_modules/.bin:$(PATH)
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
# On CI a lock file that lags behind is an error, and nothing is compiled for a second time, so nothing is kept for it.
LOCKED := $(if $(CI),--locked)
NEXTEST_PROFILE ?= default

.DEFAULT_GOAL := help
.PHONY: help dev test check bench up down compose-test

help: ## Lists the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## Runs the whole suite in one process, in memory, seeded; needs only Rust and a C compiler
	cargo run --bin latchkey -- dev

test: ## Runs every test; installs and starts Redis, RabbitMQ and PostgreSQL where they do not answer
	scripts/install.sh test
	scripts/services.sh start
	. target/services/env && cargo test $(LOCKED) --workspace --doc --quiet
	. target/services/env && if cargo nextest --version >/dev/null 2>&1; \
		then cargo nextest run $(LOCKED) --workspace --profile $(NEXTEST_PROFILE); \
		else cargo test $(LOCKED) --workspace --lib --bins --tests --no-fail-fast; fi

check: ## Checks format, lints, dependencies, contract, scripts, manifests and the shape of the workspace
	scripts/install.sh check
	cargo fmt --all --check
	shellcheck .ci/run scripts/*.sh deploy/docker/healthcheck
	buf lint
	scripts/check-manifests.sh
	cargo deny $(LOCKED) check bans licenses sources
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	cargo test $(LOCKED) --workspace --test tidy

bench: ## Measures against yardsticks in the same run, writes target/bench/report.json; BENCH="--only …" chooses
	scripts/install.sh test
	scripts/services.sh start
	. target/services/env && cargo run $(LOCKED) --release --bin bench -- $(BENCH)

up: ## Builds the images and starts everything in containers
	$(COMPOSE) up --build --detach

down: ## Stops the containers and removes what they stored
	$(COMPOSE) down --volumes --remove-orphans

compose-test: ## Starts everything in containers, drives the tour of the README against it, takes it down
	scripts/compose-test.sh
