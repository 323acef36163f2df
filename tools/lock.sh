#!/bin/sh
# Write requirements/*.txt: for every purpose all packages, with versions and hashes, for all Pythons
# and systems at once. `make lock` calls it; pyproject.toml says what is wanted.
#
# Releases younger than DAYS days are left alone: what a stolen account publishes is mostly found
# within a week. A fix that cannot wait: make lock DAYS=0
set -eu
uv=$1 days=$2
everything=build/everything.txt

resolve() {
    "$uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --exclude-newer "$days days" --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" "$@" >/dev/null
}

# One resolution of everything comes first and binds the others: no two files ask for two versions.
mkdir -p build requirements
resolve pyproject.toml --all-extras --group build --group test --group lint --group bench \
    --group lock --group fuzz --output-file "$everything"
write() {
    resolve --constraint "$everything" --output-file "requirements/$@"
}
write run.txt pyproject.toml
write web.txt pyproject.toml --extra web
write dask.txt pyproject.toml --extra dask
write extras.txt pyproject.toml --extra all
write test.txt pyproject.toml --group test
write bench.txt pyproject.toml --group bench
write build.txt --group build
write lint.txt --group lint
write lock.txt --group lock
write fuzz.txt --group fuzz
