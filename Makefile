# Two commands: `make run` generates text, `make test` checks everything. Both install what is missing first.
.PHONY: run test fuzz setup

run: setup
	cargo run --release --locked -p mettle -- generate

test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	tools/corpora.sh
	tools/ptxas.sh
	cargo run --locked -p mettle -- check --strict crates/mettle-kernels/metal -I crates/mettle-kernels/metal/include
	cargo test --workspace --locked

# Reads mutated model files for ten minutes (part of `make test` for a few seconds). FUZZ_SECONDS=N for another time.
FUZZ_SECONDS = 600
fuzz: setup
	METTLE_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test -p mettle-models --locked --test models fuzz_files -- --nocapture

setup:
	tools/setup.sh
