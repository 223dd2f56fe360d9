# The commands that people type. CI runs .ci/run, which calls none of this.

SHELL := bash
TOOL := go tool -modfile=internal/tools/go.mod
FUZZTIME ?= 30s
BENCH ?= .
KAFKA_PORT ?= 19292

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build ./postrider
	CGO_ENABLED=0 go build -trimpath -o postrider ./cmd/postrider

.PHONY: test
test: ## Run the tests; Go is all they need
	go test ./...

.PHONY: race
race: ## Run the tests with the race detector
	go test -race ./...

.PHONY: golden
golden: ## Rewrite the golden files; read the difference before you commit it
	-go test $(patsubst %/testdata,./%,$(wildcard internal/provider/*/testdata)) -update
	git diff --stat -- '*/testdata/*'

.PHONY: fmt
fmt: ## Format the code
	$(TOOL) golangci-lint fmt

.PHONY: lint
lint: ## Lint, and look for dead code and a stale go.mod
	$(TOOL) golangci-lint run
	$(TOOL) golangci-lint fmt --diff
	$(TOOL) deadcode -test ./...
	go mod tidy -diff

.PHONY: fuzz
fuzz: ## Fuzz every target in turn, FUZZTIME (30s) each
	@grep -rl --include='*_test.go' '^func Fuzz' cmd internal pkg | sort | while read -r file; do \
	  sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
	    echo "== $$target in $$(dirname "$$file")"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" < /dev/null || exit 1; \
	  done || exit 1; \
	done

.PHONY: bench
bench: ## Run the benchmarks that match BENCH (all), six times, and summarize them
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count 6 ./... | tee bench.out
	$(TOOL) benchstat bench.out

.PHONY: bench-peers
bench-peers: ## Measure beside other programs, and kill everything once (docs/benchmark.md)
	go run ./internal/bench -peers -output markdown

.PHONY: kafka-up
kafka-up: ## Start an Apache Kafka on KAFKA_PORT (19292) and print the variables for the tests
	@bash internal/kafkatest/kafka-up.sh -p $(KAFKA_PORT) --sasl

.PHONY: kafka-down
kafka-down: ## Stop it and remove its data
	@bash internal/kafkatest/kafka-down.sh -p $(KAFKA_PORT) --wipe

.PHONY: vuln
vuln: ## Look for known vulnerabilities (asks the Go vulnerability database)
	$(TOOL) govulncheck ./...

.PHONY: ci
ci: ## Run everything that must pass before a change lands
	bash .ci/run
