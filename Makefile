# Everything a developer does here. `make` alone lists it.
#
# make dev needs Go alone, make test Go and Node, make check a C compiler too
# (the race detector is linked with it). PostgreSQL is installed where it is
# missing.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
NODE     ?= node
NPM      ?= npm
ARGS     ?=
FUZZTIME ?= 10s
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# A checkout that belongs to somebody else makes git refuse, and go build with
# it; the version comes from the line above instead.
export GOFLAGS += -buildvcs=false

# One PostgreSQL cluster for all that the command runs.
WITH_POSTGRES = $(GO) run ./internal/testpg --

# Rooms in which goroutines share memory most; `make test ARGS=-race` takes all.
RACE = audit jwks keys registry storage grants server

.PHONY: help dev build test check bench fuzz tools-postgres tools-node e2e/node_modules format vet lint arch race

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

dev: tools-postgres build ## run everything on this machine; ARGS=--once stops after the first exchange
	@exec bin/tokenry dev $(ARGS)

build: ## build bin/tokenry
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/tokenry ./cmd/tokenry

test: tools-node tools-postgres e2e/node_modules ## run every test
	$(NPM) --prefix e2e test
	$(WITH_POSTGRES) $(GO) test $(ARGS) ./...

check: tools-postgres format vet lint arch race ## linters, shape of the code, race detector

bench: tools-postgres ## measure an exchange against bare cryptography
	@$(GO) run ./internal/bench $(ARGS)

fuzz: ## run each fuzz target for FUZZTIME
	@grep -rHoE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		target="$${func#func }"; \
		echo "$$target in $$(dirname "$$file")"; \
		$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
	done

tools-postgres:
	@scripts/postgres.sh

tools-node:
	@major="$$($(NODE) -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)"; \
	if [ "$$major" -lt 20 ] || ! command -v $(NPM) >/dev/null; then \
		echo "make test: Node.js 20 or newer is needed, with npm, for the independent verifiers in e2e/; found: $$($(NODE) --version 2>/dev/null || echo none)" >&2; \
		exit 1; \
	fi

# From the lock file, whenever what is installed is not what it says.
e2e/node_modules:
	@if ! cmp -s e2e/package-lock.json e2e/node_modules/.installed; then \
		$(NPM) --prefix e2e ci && cp e2e/package-lock.json e2e/node_modules/.installed; \
	fi

format:
	@files="$$("$$($(GO) env GOROOT)/bin/gofmt" -l .)"; \
	if [ -n "$$files" ]; then printf 'not formatted; run gofmt -w on:\n%s\n' "$$files" >&2; exit 1; fi

vet:
	$(GO) vet ./...

lint:
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

arch:
	$(GO) test -count=1 ./internal/arch

race:
	$(WITH_POSTGRES) env CGO_ENABLED=1 $(GO) test -race $(patsubst %,./%/...,$(RACE))
