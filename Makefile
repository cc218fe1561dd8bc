# skep: the Kubernetes API over Docker Swarm. `make` shows what can be done; longer recipes live in .ci/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

# Programs are static, and everything but the race detector shares one build cache.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -buildvcs=false

FUZZTIME ?= 20s
E2E      ?= .
IMAGE    ?= skep:latest
STACKS   ?= ../shared/compose/stacks

.PHONY: help
help: ## this list
	@echo 'skep: the Kubernetes API over Docker Swarm'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/skep and what runs on nodes, and bin/kubectl from the same go.mod
	@.ci/build

.PHONY: up
up: ## from nothing to a Swarm that kubectl speaks to, and what to type next
	@.ci/up

.PHONY: down
down: ## undo what `make up` did, and nothing else
	@.ci/down

.PHONY: demo
demo: ## a simulated Swarm with a stack and an application to look at: no Docker, no root
	@.ci/demo

.PHONY: demo-down
demo-down: ## end the demonstration
	@.ci/demo down

.PHONY: images
images: ## stand-ins for nginx:alpine, busybox and the like, and the proxies' nginx, where no registry is in reach
	@.ci/images --keep

.PHONY: test
test: ## every test, on Swarms of their own (root; installs what is missing)
	@.ci/test

.PHONY: test-short
test-short: ## the tests that need neither Docker nor root
	go test -short ./...

.PHONY: e2e
e2e: ## kubectl against a real Swarm (E2E=TestRollout for a part)
	@.ci/e2e -run '$(E2E)'

.PHONY: e2e-simulated
e2e-simulated: build ## the same walks on a simulated Swarm, but for those into containers: no root
	SKEP_E2E=simulated go test ./gateway/e2e -count=1 -parallel 4 -run '$(E2E)'

.PHONY: figures-traffic
figures-traffic: ## steady loads while proxies, rules and Pods are replaced, and what proxies cost (REQUESTS=10000)
	SKEP_E2E_REQUESTS=$(or $(REQUESTS),10000) .ci/e2e -run TestTraffic -v

.PHONY: conformance
conformance: ## Kubernetes' own conformance tests on a real Swarm (FOCUS='sig-node.*Pods', SKIP=, PROCS=4): docs/conformance.md
	@FOCUS='$(FOCUS)' SKIP='$(SKIP)' PROCS='$(PROCS)' .ci/conformance run

.PHONY: conformance-report
conformance-report: ## docs/conformance.md anew, from what runs have found
	@.ci/conformance report

.PHONY: bench
bench: build ## side by side with kube-apiserver and etcd: docs/performance.md
	go -C gateway/bench test . -bench . -run '^$$' -timeout 30m

.PHONY: bench-scale
bench-scale: build ## 10,000 simulated tasks, side by side with kube-apiserver and etcd
	go -C gateway/bench test ./scale -bench Scale -run '^$$' -timeout 60m

.PHONY: compare-kompose
compare-kompose: build ## convert the files of STACKS with skep and with kompose, side by side: docs/compose.md
	go run ./compose/bench -stacks '$(STACKS)' -skep '$(CURDIR)/bin/skep' -out compose/testdata/kompose.json

.PHONY: soak
soak: build ## a million task changes: nothing may grow
	SCALE_SOAK=1 go -C gateway/bench test ./scale -bench ScaleSoak -run '^$$' -timeout 120m

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME)

.PHONY: golden
golden: ## rewrite the golden cases, docs/support.md and docs/compose.md from the code
	go test ./translate ./compose -update

.PHONY: verify
verify: ## format, vet, lint, imports, and that generated files are fresh
	@.ci/verify

.PHONY: image
image: ## the container image of gateway, agent and sandbox, skep:latest (IMAGE=name:tag)
	@.ci/image '$(IMAGE)'
