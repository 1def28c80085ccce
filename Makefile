# Every target installs what it needs, but for Go and, for race, a C compiler; `make help` lists them.
GO     ?= go
BIN    := bin
UNIT   := $(shell $(GO) list ./... 2>/dev/null | grep -vE '/integration(/soak)?$$')

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z/-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: deps
deps: ## install what is missing: Debian's redis-server, without its service
	@scripts/install-deps

.PHONY: build
build: ## build bin/clustersmith and bin/clustersmith-executor
	@mkdir -p $(BIN)
	$(GO) build -trimpath -o $(BIN)/ ./cmd/clustersmith
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/clustersmith-executor # one static file, for any agent and image

.PHONY: demo
demo: deps build ## one cluster from request to verification and back, on an embedded NATS and Mesos
	@scripts/demo

.PHONY: dev
dev: deps build ## the same servers, up until Ctrl-C
	@exec $(BIN)/clustersmith dev --data work/dev

.PHONY: test
test: deps build ## all tests: unit, end to end, faults
	$(GO) test -p $$(($$(nproc) + 1)) -timeout 900s ./... # 4 to 9.5 minutes, by the machine; some packages mostly wait, so one more than processors at a time

.PHONY: unit
unit: deps ## the fast tests only
	$(GO) test $(UNIT)

.PHONY: integration
integration: deps build ## end-to-end and fault tests only; on a real Mesos as docs/mesos.md says
	$(GO) test -count=1 -timeout $(or $(TIMEOUT),900s) ./integration ./integration/soak

.PHONY: race
race: deps ## the unit tests under the race detector, which needs a C compiler
	$(GO) test -race -short -timeout 900s $(UNIT)

# The full table goes into docs; a part of it (SIZES=6,30 ROUNDS=1 ONLY=floor,clustersmith) into work.
BENCH_OUT ?= $(if $(SIZES)$(ROUNDS)$(ONLY),work/bench,docs)
.PHONY: bench
bench: deps build ## creates beside the bare servers, redis-cli and naive files; SIZES=6,30 ROUNDS=1 for a short one
	@mkdir -p work/bin
	$(GO) build -o work/bin/ ./integration/bench
	@exec work/bin/bench -bin $(BIN) -out $(BENCH_OUT) $(if $(SIZES),-sizes $(SIZES)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(ONLY),-columns $(ONLY))

.PHONY: bench-micro
bench-micro: deps ## the Go benchmarks of every package
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: matrix
matrix: deps build ## the fault matrix TIMES times in a row, every crash point both ways
	CLUSTERSMITH_TEST_ALL=1 $(GO) test -count=$(or $(TIMES),10) $(if $(PARALLEL),-parallel $(PARALLEL)) -timeout 0 ./integration -run '^($(MATRIX))$$'
MATRIX := TestClock.*|TestCrash.*|TestRequestThat.*|TestCleanUpThat.*|TestWorkerEnds.*|TestEndIs.*|TestMetricsTell.*|TestOrphans.*|TestVerifiedCluster.*|TestReplicated.*|TestOneServer.*|TestFaults|TestFrozen.*|TestKilled.*|TestDrain.*|TestPort.*|TestSandboxFull|TestSame.*|TestTwoSpec.*|TestMessages.*|TestFlood|TestBacklog.*|TestWaitingJob.*|TestLargeJob.*|TestCancel.*|TestDestroyDuring.*|TestCreateDuring.*

.PHONY: fuzz
fuzz: ## every fuzz target for TIME (70s) each
	@scripts/fuzz

.PHONY: chaos
chaos: deps ## the suite on a Mesos that delays, reorders and loses: TIMES=1 runs, JOBS=1 at a time, seeds from FIRST=1; SLICES=6 for sixths
	@TIMES=$(TIMES) FIRST=$(FIRST) SLICES=$(SLICES) scripts/chaos

.PHONY: soak
soak: deps build ## random faults against a stream of jobs, judged at the end: MINUTES=3; SEED=1, or a random one
	@mkdir -p work/bin
	$(GO) build -o work/bin/ ./integration/soak
	$(GO) build -tags failpoints -o work/bin/clustersmith-mortal ./cmd/clustersmith
	@exec work/bin/soak -bin $(BIN) $(if $(MINUTES),-minutes $(MINUTES)) $(if $(SEED),-seed $(SEED))

.PHONY: bench-control
bench-control: ## the control plane with stub nodes: large clusters and many small ones; into docs/benchmarks-control.md
	$(GO) run ./integration/control -json docs/benchmarks-control.json -markdown docs/benchmarks-control.md

.PHONY: generate
generate: ## write again what is generated: JSON Schemas, tables in the README
	$(GO) generate ./...

.PHONY: verify
verify: ## vet, formatting, generated files and go.mod up to date
	@scripts/verify

.PHONY: clean
clean: ## remove what was built and the data of demo and dev
	rm -rf $(BIN) work
