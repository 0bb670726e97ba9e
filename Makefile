# What CI runs, target by target. Go alone is needed for build and test.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  = -s -w -X main.version=$(VERSION)

.PHONY: build fips test race lint vet staticcheck fuzz bench check

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o cfgsrv ./cmd/cfgsrv

# The same with Go's FIPS 140-3 module, frozen as it was certified.
fips:
	CGO_ENABLED=0 GOFIPS140=v1.0.0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o cfgsrv ./cmd/cfgsrv

test:
	$(GO) test ./...

race:
	$(GO) test -race -shuffle=on ./...

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

lint: vet staticcheck
	test -z "$$(gofmt -l .)"
	$(GO) mod tidy -diff

# Every fuzz target for FUZZTIME.
FUZZTIME ?= 20s
fuzz:
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

check: lint race
