# One command per thing to do; `make help` lists them. Tools are built from their modules, by version, into bin/tools.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0
HELM_VERSION := v4.3.1
KUSTOMIZE_VERSION := v5.8.0

TOOLS := $(CURDIR)/bin/tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
export KUSTOMIZE := $(TOOLS)/kustomize-$(KUSTOMIZE_VERSION)
export FUZZTIME
export HELM := $(TOOLS)/helm-$(HELM_VERSION)

LAB := hack/lab/lab
# The lab's modules have dependencies of their own, which the operator must not get. That with Kubernetes in it gets the
# flags its build has, so that nothing is compiled twice, and only linters that don't analyse all of Kubernetes. CoreDNS's
# is nothing but a list of imports, and those of etcd and ExternalDNS have no code.
KUBE_FLAGS := CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false'
KUBE_LINTERS := depguard,errcheck,errorlint,funlen,gocognit,goheader,ineffassign,lll,misspell,nolintlint,revive,unused

##@ The two commands to begin with

.PHONY: demo
demo: $(HELM) ## Watch cupdomain.com federate with gmail.com on a real cluster on this machine (needs root)
	hack/demo.sh

.PHONY: test
test: $(HELM) $(KUSTOMIZE) ## Run every test; without root, those that need it are skipped and the summary says so
	hack/test.sh all

##@ Develop

.PHONY: test-unit
test-unit: ## Run the quick tests: no server, no root, under a minute
	hack/test.sh unit

.PHONY: test-envtest
test-envtest: ## Run the tests against a real API server (builds one the first time, 9 minutes)
	hack/test.sh envtest

.PHONY: test-integration
test-integration: ## Run the tests against real BIND, Prosody and ExternalDNS, or those whose names match RUN=regexp (needs root)
	hack/test.sh integration

.PHONY: e2e
e2e: $(HELM) ## Run the lab tests, or those whose names match RUN=regexp (needs root)
	hack/test.sh e2e

.PHONY: soak
soak: $(HELM) $(KUSTOMIZE) ## Run every test in its long form, or those whose names match RUN=regexp, and the fuzz targets, for hours (needs root)
	hack/test.sh soak

.PHONY: fuzz
fuzz: ## Fuzz what parses and judges the words of strangers, each target for FUZZTIME (1m)
	hack/fuzz.sh

.PHONY: bench-check
bench-check: ## Measure doctor's checks: one domain with a partner, and a thousand domains from one process
	go run ./hack/bench/check

.PHONY: bench-dns
bench-dns: build ## Measure the DNS side by side with ExternalDNS (needs root); QUICK=1 for less, OUT for the directory of raw data
	hack/bench/dns/run.sh

.PHONY: bench-throughput
bench-throughput: ## Measure how many stanzas of a partner a server takes, beside a Prosody without limits (needs root); OUT for a file of raw data
	$(LAB) build images
	go test -tags integration -run '^$$' -bench Partner -benchtime 1x -timeout 60m ./hack/bench/throughput -args $(if $(OUT),-out $(abspath $(OUT)))

.PHONY: build
build: ## Build the operator and the kubectl plugin into bin/xmppfed-operator and bin/kubectl-xmppfed
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/xmppfed-operator ./cmd/operator
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/kubectl-xmppfed ./cmd/kubectl-xmppfed
	ln -sf kubectl-xmppfed bin/kubectl_complete-xmppfed

.PHONY: generate
generate: ## Write what is generated: deep copies, CRDs, RBAC, the chart's part of them, reference pages
	go tool controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	go tool controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	go tool controller-gen rbac:roleName=xmppfed-operator,fileName=role.yaml paths=./controllers/... output:rbac:artifacts:config=config/rbac
	go run ./hack/tools/generate

.PHONY: verify
verify: $(HELM) $(KUSTOMIZE) ## Check that what is generated is up to date, every module is tidy, scripts and chart are clean
	hack/verify.sh

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check code against the gates of .golangci.yml (compiles Kubernetes the first time, 9 minutes)
	$(GOLANGCI_LINT) run ./...
	cd hack/lab && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...
	cd hack/lab/kube && $(KUBE_FLAGS) $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml --enable-only $(KUBE_LINTERS) ./...

.PHONY: format
format: $(GOLANGCI_LINT) ## Format code
	for module in . hack/lab hack/lab/kube; do (cd $$module && $(GOLANGCI_LINT) fmt --config $(CURDIR)/.golangci.yml); done

##@ Lab

.PHONY: lab-up
lab-up: ## Start the lab: a real cluster and a small internet on this machine (needs root)
	$(LAB) up

.PHONY: lab-down
lab-down: ## End the lab and everything in it
	$(LAB) down

.PHONY: lab-status
lab-status: ## Say what of the lab runs
	$(LAB) status

.PHONY: deploy
deploy: $(HELM) ## Build the operator's image from this tree and install it in the lab with the chart
	hack/deploy.sh

##@ Help

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# A tool appears under its version whole or not at all, and is built again only when its version changes.
$(GOLANGCI_LINT): ; hack/install-tool.sh github.com/golangci/golangci-lint/v2/cmd/golangci-lint $(GOLANGCI_LINT_VERSION) $@
$(HELM): ; hack/install-tool.sh helm.sh/helm/v4/cmd/helm $(HELM_VERSION) $@
$(KUSTOMIZE): ; hack/install-tool.sh sigs.k8s.io/kustomize/kustomize/v5 $(KUSTOMIZE_VERSION) $@
