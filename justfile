# What there is to do; each recipe is a line you could type yourself.
_default:
  @just --list

# A server with an organization and one key of each kind ready
dev *args:
  cargo run --bin rollcall -- dev {{args}}

# Everything that must pass; `just test quick` leaves the SDKs out
test *args:
  ./test {{args}}

# What CI runs, on this machine
ci:
  .ci/run
