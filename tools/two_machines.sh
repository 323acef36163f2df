#!/bin/sh
# Tries `smalti batch --engine dask` on three machines that are none: network namespaces of this one.
#
#     PYTHON=.venv/bin/python tools/two_machines.sh          # needs Linux, root, ip (iproute2) and the extra dask
#
# A scheduler and two workers, each behind a network card of its own, share a folder. Half-way one
# worker is killed with -9. What is written must be, byte for byte, what one process writes.
set -eu

PYTHON=$(command -v "${PYTHON:-python3}")
IMAGES=${IMAGES:-80}
NET=10.77.0
SCHEDULER=tcp://$NET.2:8786
WORK=$(mktemp -d)
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

machine() {  # name, number: a namespace with one card on the bridge
    ip netns add "smalti-$1"
    ip link add "smalti$2" type veth peer name eth0 netns "smalti-$1"
    ip link set "smalti$2" master smalti0 up
    ip -n "smalti-$1" addr add "$NET.$2/24" dev eth0
    ip -n "smalti-$1" link set eth0 up
    ip -n "smalti-$1" link set lo up
}

on() {  # name, command: run it on that machine, in the background, in a folder of its own
    name=$1; shift
    mkdir -p "$WORK/$name"
    (cd "$WORK/$name" && exec ip netns exec "smalti-$name" "$@") > "$WORK/$name/log" 2>&1 &
}

switch_off() {  # name: as if somebody pulled the plug
    ip netns pids "smalti-$1" | xargs -r kill -9 2> /dev/null || true
}

clean() {
    for name in scheduler a b; do
        switch_off $name
        ip netns del smalti-$name 2> /dev/null || true
    done
    ip link del smalti0 2> /dev/null || true
    rm -rf "$WORK"
}
trap clean EXIT
trap 'exit 130' INT TERM

ip link add smalti0 type bridge
ip addr add $NET.1/24 dev smalti0
ip link set smalti0 up
machine scheduler 2
machine a 3
machine b 4

"$PYTHON" - "$WORK/in" "$IMAGES" << 'DRAW'
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder, count = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir()
y, x = np.mgrid[0:200, 0:300]
for seed in range(count):
    rng = np.random.default_rng(seed)
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(0, 0.05, (3, 3))]
    picture = 128 + 90 * np.dstack(waves) + rng.normal(0, 4, (200, 300, 3))
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{seed:04}.png")
(folder / "torn.png").write_bytes((folder / "0000.png").read_bytes()[:1000])
DRAW

on scheduler "$PYTHON" -m dask scheduler --host $NET.2 --port 8786 --dashboard-address 127.0.0.1:0 --no-show
for name in a b; do
    on $name "$PYTHON" -m dask worker $SCHEDULER --nthreads 1 --no-dashboard
done

status() {  # command: run it and print its exit code
    code=0
    "$@" >&2 || code=$?
    echo $code
}

echo "One process:"
one=$(status "$PYTHON" -m smalti.cli batch "$WORK/in" --out-dir "$WORK/one" -k 32 -j 1)

echo "A scheduler at $NET.2, workers at $NET.3 and $NET.4; the first is killed half-way:"
(
    for _ in $(seq 600); do
        test "$(ls "$WORK/many" 2> /dev/null | wc -l)" -lt $((IMAGES / 3)) || break
        sleep 0.1
    done
    ip netns pids smalti-a | wc -l > "$WORK/killed"
    switch_off a
) &
many=$(status "$PYTHON" -m smalti.cli batch "$WORK/in" --out-dir "$WORK/many" -k 32 --state "$WORK/state" \
    --engine dask --address $SCHEDULER)
wait $!

test "$one" = "$many" && test "$one" = 1  # 1: the torn picture
test "$(cat "$WORK/killed")" -gt 0
test -z "$(ip netns pids smalti-a)"
test "$(ls "$WORK/many" | wc -l)" -ge "$IMAGES"
test -z "$(find "$WORK/many" "$WORK/state" -name '*.tmp')"
# What was done when, by whom, is in the records and in the folder .smalti.
diff -r -x 'smalti-*.json*' -x .smalti "$WORK/one" "$WORK/many"
echo "The bytes are the same, and exit code $one is: one picture is torn."
