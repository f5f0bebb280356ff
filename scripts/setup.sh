#!/bin/sh
# Make .venv ready: tools, pinned dependencies, the Rust extension, the models. Each step looks first
# and is skipped when nothing changed, so that a second run takes a second.
#
#   scripts/setup.sh            what `make run` needs
#   scripts/setup.sh dev        what `make test` needs, too
#   scripts/setup.sh bench      what `make bench` needs: dev and the peers
#   scripts/setup.sh cluster    what `make run` needs, and the client of a Milvus cluster
#   scripts/setup.sh gpu        ONNX Runtime with CUDA instead of the CPU build
set -eu
cd "$(dirname "$0")/.."
kind=${1:-runtime}
# The two builds of ONNX Runtime share their files: each lives in a folder of its own.
[ "$kind" = gpu ] && venv=.venv-gpu || venv=.venv
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() {
    printf 'govid setup: %s\n' "$1" >&2
    exit 1
}
# Run a step; its output is shown only if it fails.
quietly() {
    "$@" >"$log" 2>&1 || {
        tail -n 25 "$log" >&2
        return 1
    }
}
apt() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $* by apt-get"
        quietly apt-get update -qq || true
        DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -qq --no-install-recommends "$@"
    else
        return 1
    fi
}

# --- tools ---------------------------------------------------------------------------------------------
python=${PYTHON:-python3}
command -v "$python" >/dev/null || apt python3 python3-venv || die "no python3: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old: install Python 3.11 or newer, or name one: PYTHON=/path/to/python3.12 make run"
command -v cargo >/dev/null || die "no cargo: install Rust 1.89 or newer (https://rustup.rs)"
minor=$(cargo --version | sed 's/^cargo 1\.\([0-9]*\).*/\1/')
[ "$minor" -ge 89 ] 2>/dev/null || die "$(cargo --version) is too old: install Rust 1.89 or newer (rustup update)"
if [ "$kind" = dev ] || [ "$kind" = bench ]; then
    cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1 ||
        die "cargo lacks clippy or rustfmt, which the tests need: rustup component add clippy rustfmt"
fi
command -v cc >/dev/null || apt gcc libc6-dev || die "no C compiler, which Rust links with: apt-get install gcc libc6-dev"
"$python" -c 'import ensurepip, venv' 2>/dev/null || apt python3-venv ||
    die "Python has no venv module: apt-get install python3-venv"

# The tests start a PostgreSQL of their own. Debian's package would make and start one for the machine as well:
# here only its programs are wanted, and where they cannot be had their tests are skipped.
if [ "$kind" = dev ] || [ "$kind" = bench ]; then
    if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
        conf=/etc/postgresql-common/createcluster.conf
        if [ "$(id -u)" = 0 ] && [ ! -e "$conf" ]; then
            mkdir -p "${conf%/*}" && echo "create_main_cluster = false" >"$conf"
        fi
        apt postgresql || say "no PostgreSQL: its tests will be skipped; apt-get install postgresql"
    fi
fi

# The console is tested in a real browser, and looked at in Chinese, too. Playwright would fetch a Chromium of its own.
if [ "$kind" = dev ] || [ "$kind" = bench ]; then
    if ! command -v chromium >/dev/null; then
        apt chromium fonts-noto-cjk ||
            say "no Chromium: the console's tests in it will be skipped; apt-get install chromium fonts-noto-cjk"
    fi
fi

# --- dependencies --------------------------------------------------------------------------------------
if [ ! -x "$venv/bin/pip" ]; then
    say "making $venv with $("$python" --version)"
    quietly "$python" -m venv --clear "$venv" || die "could not make $venv: see above"
fi
digest() { cat "$@" | sha256sum | cut -c1-16; }
have() { [ -e "$venv/$1" ]; }
done_with() {
    rm -f "$venv/${1%-*}"-*
    : >"$venv/$1"
}
lock=requirements/$kind.lock
stamp=.lock-$(digest requirements/*.lock)
# dev holds all of runtime and cluster, and bench all of dev: after `make bench`, `make test` and `make run` have nothing to
# install.
case $kind in
    runtime) enough="runtime cluster dev bench" ;;
    cluster) enough="cluster dev bench" ;;
    dev) enough="dev bench" ;;
    *) enough=$kind ;;
esac
installed=
for larger in $enough; do have "$stamp-$larger" && installed=yes; done
if [ -z "$installed" ]; then
    total=$(grep -c '==' "$lock")
    say "installing $total pinned packages from $lock"
    {
        "$venv/bin/pip" install --progress-bar off --disable-pip-version-check --no-deps --require-hashes -r "$lock" 2>&1 ||
            echo "FAILED"
    } | awk -v total="$total" -v log_file="$log" '
        { print > log_file }
        /^(Collecting|Requirement already)/ { n++; if (n % 10 == 0 || n == total) printf "    %d of %d\n", n, total; fflush() }
        /^FAILED$/ { failed = 1 }
        END { exit failed }' || {
        grep -i error "$log" | tail -n 5 >&2
        die "could not install the packages: is the package index reachable (network, proxy)?"
    }
    rm -f "$venv"/.lock-*
    : >"$venv/$stamp-$kind"
fi

# --- the Rust extension and this tree, editable --------------------------------------------------------
stamp=.core-$(find core Cargo.toml Cargo.lock pyproject.toml -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-16)
if ! have "$stamp"; then
    say "building the Rust extension in release mode"
    VIRTUAL_ENV="$PWD/$venv" PATH="$PWD/$venv/bin:$PATH" maturin develop --release --locked --skip-install ||
        die "the build failed: see above; without a network cargo cannot fetch its crates"
    PATH="$PWD/$venv/bin:$PATH" quietly pip install --no-deps --no-build-isolation --editable . ||
        die "the install failed: see above"
    # server/ and lfw_eval/ lie beside python/ and are found there.
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    pwd >"$site/govid-tree.pth"
    done_with "$stamp"
fi

# --- programs out of Debian's packages, which the tests start ------------------------------------------
# Only the programs: installing the packages would start services that nobody asked for. etcd is for the cluster of
# the tests, Prometheus for the rules and the dashboard in deploy/.
fetch() { # package, then its programs
    package=$1
    shift
    say "fetching $* by apt-get"
    (
        cd "$unpacked"
        quietly apt-get download "$package" || { quietly apt-get update && quietly apt-get download "$package"; }
        quietly dpkg-deb -x "$package"_*.deb .
    ) && for program; do cp "$unpacked/usr/bin/$program" "$venv/bin/$program" || return 1; done
}
if { [ "$kind" = dev ] || [ "$kind" = bench ]; } && command -v apt-get >/dev/null; then
    # Without them the tests that need them say so and are skipped.
    unpacked=$(mktemp -d)
    trap 'rm -rf "$log" "$unpacked"' EXIT
    command -v etcd >/dev/null || have bin/etcd || fetch etcd-server etcd || die "could not fetch etcd: see above"
    command -v promtool >/dev/null || have bin/promtool || fetch prometheus prometheus promtool ||
        say "no Prometheus: its tests will be skipped; apt-get install prometheus"
fi

# --- models --------------------------------------------------------------------------------------------
# The tests run both profiles; a server gets what its settings ask for.
case $kind in dev | bench) profile=all ;; *) profile= ;; esac
"$venv/bin/govid" models pull --quiet $profile
