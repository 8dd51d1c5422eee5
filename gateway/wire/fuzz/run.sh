#!/usr/bin/env bash
# Runs every fuzz target in turn, SECONDS each (60 when not given). Ends at the first crash; the
# input is then under artifacts/. Needs `cargo install cargo-fuzz --version 0.13.2`.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-60}"
case "$seconds" in
'' | *[!0-9]*)
    echo "usage: run.sh [SECONDS]" >&2
    exit 2
    ;;
esac
export RUSTC_BOOTSTRAP=1
for target in $(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' Cargo.toml); do
    echo "== $target, $seconds s"
    # New inputs go to a folder of their own; the committed corpus only seeds.
    found="$(mktemp -d)"
    cargo fuzz run --fuzz-dir . --sanitizer none --target x86_64-unknown-linux-gnu "$target" \
        "$found" "corpus/$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=16384 -print_final_stats=1
    rm -r "$found"
done
