# Two commands: `make run` generates text, `make test` checks everything. Both install what is missing first.
.PHONY: run test checks fuzz setup setup-test apple-check mock-metal

# A machine that builds once and leaves gains nothing from incremental compilation.
ifdef CI
export CARGO_INCREMENTAL = 0
endif

# clippy compiles, too: what is built with it for tests is linted on the way, instead of being read twice. It leaves code to LLVM to optimise.
LINTED = RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__

run: setup
	cargo run --release --locked -p mettle -- generate

test: setup-test checks mock-metal apple-check

checks: setup-test
	cargo fmt --all --check
	$(LINTED) cargo build --workspace --all-targets --locked
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	tools/corpora.sh
	tools/ptxas.sh
	$(LINTED) cargo test --workspace --locked

# Checks the workspace for Apple's systems from any machine.
apple-check: setup-test
	tools/apple-check.sh

# Runs the Metal backend and every kernel case against the stand-in for Metal, which runs kernels on the CPU. Nothing of the program's own package
# is built; with it named, what others wrote has the features that it has in the whole workspace, and is not compiled again.
mock-metal: MOCK = -p mettle-gpu -p mettle-kernels -p mettle --features mettle-gpu/mock-metal,mettle-kernels/mock-metal \
	--lib --test metal --test metal_cases --locked
mock-metal: setup-test
	$(LINTED) cargo test $(MOCK)

# Reads mutated model files for ten minutes (part of `make test` for a few seconds). FUZZ_SECONDS=N for another time.
FUZZ_SECONDS = 600
fuzz: setup
	METTLE_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test -p mettle-models --locked --test models fuzz_files -- --nocapture

setup:
	tools/setup.sh

setup-test:
	tools/setup.sh test
