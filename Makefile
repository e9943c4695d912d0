# Two commands: `make run` generates text, `make test` checks everything. Both install what is missing first.
.PHONY: run test setup

run: setup
	cargo run --release --locked -p mettle -- generate

test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked

setup:
	tools/setup.sh
