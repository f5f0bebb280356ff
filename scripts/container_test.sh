#!/bin/sh
# Build the image and run it as docs/sre.md says: `make container-test`. Needs podman and the network; not part of CI.
# An image that is there already: IMAGE=registry.example/govid:0.1.0. Port of the server: PORT (18000).
set -eu
cd "$(dirname "$0")/.."
command -v podman >/dev/null || { echo "container-test: install podman" >&2; exit 1; }
image=${IMAGE:-govid-test} port=${PORT:-18000} name=govid-test-$$
address=http://127.0.0.1:$port
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() {
    echo "container-test: $*" >&2
    podman logs "$name" 2>/dev/null | tail -n 20 >&2
    exit 1
}
trap 'podman rm -f "$name" >/dev/null 2>&1; podman volume rm -f "$name" >/dev/null 2>&1' EXIT

if [ -z "${IMAGE:-}" ]; then
    say "building $image"
    podman build --network host -f deploy/container/Containerfile -t "$image" .
fi

# As Kubernetes' restricted pods: nothing but the volume can be written, and no capability is left.
confined() {
    podman run --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges \
        -v "$name:/var/lib/govid" "$@"
}
once() { confined --rm --network none "$image" "$@" || fail "govid $*"; }
ask() { curl -sS --max-time 60 "$@" || fail "no answer: $*"; }
has() { case $1 in *"$2"*) ;; *) fail "expected $2 in: $1" ;; esac; }
start() {
    confined -d --name "$name" --network host -e GOVID_PORT="$port" "$image" >/dev/null
    n=0
    until [ "$(curl -s -o /dev/null -w '%{http_code}' "$address/readyz")" = 200 ]; do
        n=$((n + 1))
        [ $n -lt 600 ] || fail "not ready within a minute"
        sleep 0.1
    done
}
stop() {
    podman stop -t 30 "$name" >/dev/null
    code=$(podman inspect -f '{{.State.ExitCode}}' "$name")
    [ "$code" = 0 ] || fail "it ended with $code"
    podman rm "$name" >/dev/null
}

podman volume create "$name" >/dev/null
say "models, without a network"
once models pull all --from /opt/govid/models
say "serving: enrol, verify, identify"
start
has "$(podman exec "$name" id -u)" 10001
podman exec "$name" touch /opt/govid/x 2>/dev/null && fail "the image can be written"
has "$(ask -F subject_id=obama -F photo=@samples/obama-2012.jpg "$address/v1/subjects")" '"held":false'
has "$(ask -F subject_id=obama -F photo=@samples/obama-2009.jpg "$address/v1/verify")" '"decision":"MATCH"'
has "$(ask -F subject_id=obama -F photo=@samples/biden-2010.jpg "$address/v1/verify")" '"decision":"NON_MATCH"'
has "$(ask "$address/metrics")" "govid_ready 1.0"
say "a backup beside the running server"
podman exec "$name" govid backup create /var/lib/govid/backup || fail "no backup"
say "stopped, and started on the same records"
stop
once backup verify /var/lib/govid/backup
once doctor
start
has "$(ask -F photo=@samples/obama-2009.jpg "$address/v1/identify")" '"subject_id":"obama"'
stop
confined --rm --network none --entrypoint pg_dump "$image" --version || fail "no pg_dump for backups of PostgreSQL"
podman image inspect -f '{{.Size}}' "$image" | awk '{ printf "the image works; %.0f MB\n", $1 / 1e6 }'
