# What one does daily: `just`, `just gate`, `just test library`. https://just.systems

# what there is
default:
    @just --list

# all that a change has to pass
gate:
    .ci/run

# one file of tests, or one test of it: just test library, just test cli editor
test name filter="":
    cargo test --release --workspace --test {{name}} {{filter}}

# golden files anew; read the difference before committing it
expect name filter="":
    UPDATE_EXPECT=1 cargo test --release --workspace --test {{name}} {{filter}}

# Rust and tern, in the project's style
fmt:
    cargo fmt --all
    cargo run --release -p tern -- fmt programs/*.mpc programs/examples/*.mpc stdlib/*.mpc

# what every operation costs on this machine, from real processes
bench:
    cargo run --release -p tern -- bench protocols

# a network on real data that come with the program
digits:
    cargo run --release -p tern -- run programs/digits.mpc

# licences, duplicates and origins of all dependencies
deny:
    cargo deny check licenses bans sources

# the documentation as a book, in docs/book
book:
    mdbook build docs
