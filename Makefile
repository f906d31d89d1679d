# `make run` and `make test` are the two commands a newcomer needs.

GO  ?= go
BIN := bin/coredns
RUN := run

# The release whose rules .golangci.yml is written for.
LINT_VERSION := v2.15.0

.NOTPARALLEL:
.PHONY: help run build test tools format vet race lives e2e lint bench compare pictures clean

help: ## this list
	@grep -hE '^[a-z0-9]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 10

build: ## CoreDNS with autosign, as bin/coredns
	$(GO) build -o $(BIN) ./cmd/coredns

run: build $(RUN)/Corefile $(RUN)/db.example.org ## a signed example.org on port 1053, in run/
	@echo 'try: dig @127.0.0.1 -p 1053 +dnssec www.example.org   (stop with Ctrl-C)'
	cd $(RUN) && exec ../$(BIN) -conf Corefile

# `parent none`, since the world's own example.org is signed with other keys
# and autosign would rightly not make keys beside them.
define COREFILE
example.org:1053 {
    bind 127.0.0.1
    file db.example.org {
        reload 2s
    }
    autosign {
        parent none
    }
    transfer {
        to *
    }
    log
    errors
}
endef
export COREFILE

define ZONE
$$ORIGIN example.org.
$$TTL 3600
@       IN SOA   ns1 hostmaster 1 7200 3600 259200 300
        IN NS    ns1
        IN NS    ns2
        IN MX    10 mail
ns1     IN A     192.0.2.1
ns2     IN A     192.0.2.2
mail    IN A     192.0.2.25
www     IN A     192.0.2.80
        IN AAAA  2001:db8::80
*.dev   IN CNAME www
sub     IN NS    ns1.sub
ns1.sub IN A     192.0.2.53
endef
export ZONE

$(RUN)/Corefile:
	@mkdir -p $(RUN)
	@printf '%s\n' "$$COREFILE" > $@

$(RUN)/db.example.org:
	@mkdir -p $(RUN)
	@printf '%s\n' "$$ZONE" > $@

test: tools format vet race lives e2e ## everything that must pass; installs the tools it needs (Debian)

tools: ## install the name servers and validators that the tests use
	@.ci/tools

format:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w these:" $$unformatted; exit 1; }

# All with the race detector, the server of the end-to-end tests too, so that
# CoreDNS is compiled once.
vet:
	$(GO) vet -race ./...

race: ## unit tests with the race detector
	$(GO) test -race -timeout 15m -skip '$(LIVES)' . ./plugin/... ./cmd/...

# Whole lives of zones in a fast clock, and all that can become of one: many steps
# one after the other, which the race detector makes ten times as long.
LIVES := ^(TestArrows|TestLife|TestP3_Views|TestWalkFar|TestRun_NeverBogus)

lives: ## years of rollovers, and each arrow from a policy to keys broken
	$(GO) test -timeout 15m -run '$(LIVES)' . ./plugin/rollover ./plugin/simulate

e2e: ## a real server against real validators and secondaries
	$(GO) test -race -timeout 15m ./test/...

lint: ## golangci-lint, if it is there
	@command -v golangci-lint >/dev/null || { \
	  echo "golangci-lint is not installed: go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)"; exit 1; }
	golangci-lint run

bench: build ## signing and answering, beside Knot, BIND and NSD
	$(GO) run ./test/bench

compare: build ## rollovers beside BIND and Knot, half an hour: docs/compare/
	@for server in named knot autosign; do \
	  PATH=$$PATH:/usr/sbin $(GO) run ./test/compare -server $$server -out docs/compare/$$server.txt || exit 1; done
	$(GO) run ./test/compare -table docs/compare/named.txt docs/compare/knot.txt docs/compare/autosign.txt

pictures: ## the timelines in docs/rollovers.md, by the simulator
	$(GO) build -o bin/autosignctl ./cmd/autosignctl
	docs/timelines/make bin/autosignctl docs/timelines

clean: ## remove what was built; run/ holds keys and stays
	rm -rf bin
