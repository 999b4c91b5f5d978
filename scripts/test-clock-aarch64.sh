#!/usr/bin/env bash
# The clock stub for aarch64, held against the Rust arithmetic by its own tests, under emulation. Not part of `cargo test`.
# Needs (Debian): qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross; rustup target add aarch64-unknown-linux-gnu
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
cargo test --package splitbrain-nemesis --target aarch64-unknown-linux-gnu --lib "$@" -- \
    clock::page clock::reading clock::skew clock::stub hosts::filter
