#!/bin/sh
# Builds smalti under every Python that can be had here, and asks each for the stored results.
#
#     tools/pythons.sh                # `make pythons`; into build/pythons and build/trust/pythons.json
#     tools/pythons.sh --one PYTHON   # one interpreter, where it is
#
# Pythons: those of pyenv, python3.N of the PATH, and what PYTHONS names; as root on Debian also all
# of Debian testing, unpacked into a folder (no package is installed), and one without the global
# interpreter lock, built from Debian's source package. What cannot be had is named and left out.
# A Python that builds and differs, or does not build, is a failure. TESTS are what each of them runs
# besides the self-test. With ccache, what does not depend on Python is compiled once.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
work=$top/build/pythons
results=$work/results.tsv  # lines of: name; passed, failed or left out; what was said
tests=${TESTS:-tests/test_determinism.py}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

if command -v ccache > /dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_DIR=$work/ccache CCACHE_BASEDIR=$top
fi

say() { printf '%s\n' "$*" >&2; }
note() { printf '%s\t%s\n' "$1" "$2" >> "$results"; say "$1: $(printf %s "$2" | tr '\t' ' ')"; }
leave_out() { note "$1" "$(printf 'left out\t%s' "$2")"; }

# ---------------------------------------------------------------- one Python

version_of() { "$1" -c 'import sys, sysconfig
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print(".".join(map(str, sys.version_info[:3])) + free)' 2>/dev/null; }

is_new() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

install_all() {  # numpy takes an hour to build, and the others need Rust: wheels only
    wheels="--only-binary numpy,hypothesis,pyoxipng"
    "$venv/bin/pip" install --quiet $wheels . pytest hypothesis ||
    { "$venv/bin/pip" install --quiet $wheels numpy Pillow click pytest hypothesis &&  # no pyoxipng
      "$venv/bin/pip" install --quiet --no-deps .; }
}

one() {  # path of a Python: builds, tests, and prints one line for `note`, without the name
    python=$1 venv=$work/venvs/$(version_of "$1") log=$work/$(version_of "$1").log
    mkdir -p "$work/venvs"
    # Tools of its own, lest another Python's are found.
    if ! { rm -rf "$venv" && "$python" -m venv "$venv" && cd "$top" && PATH=$venv/bin:$PATH && install_all; } \
         > "$log" 2>&1
    then
        printf 'failed\tcannot be built: %s\n' "$(grep -i error "$log" | tail -1)"
        return
    fi
    # Python turns its lock on again for modules that do not say they can do without.
    said=$(cd "$work" && PYTHONWARNINGS=default "$venv/bin/smalti" --self-test 2>> "$log")
    code=$?
    [ $code -eq 0 ] && { (cd "$top" && "$venv/bin/python" -m pytest -q -p no:cacheprovider --noconftest \
        $tests) >> "$log" 2>&1; code=$?; }
    counted=$(tail -1 "$log" | sed 's/ in [0-9.]*s.*//')
    oxipng=$("$venv/bin/python" -c 'import oxipng' 2>> "$log" && echo "" || echo ", without pyoxipng")
    printf '%s\t%s; %s: %s%s\n' \
        "$([ $code -eq 0 ] && echo passed || echo failed)" "$(echo "$said" | head -1)" "$tests" "$counted" "$oxipng"
}

# ---------------------------------------------------------------- those of this machine

pythons_here() {  # one path a line
    for named in ${PYTHONS:-}; do echo "$named"; done
    if command -v pyenv > /dev/null; then
        for version in $(pyenv versions --bare); do echo "$(pyenv root)/versions/$version/bin/python"; done
    fi
    for minor in 11 12 13 14 15 16 17; do
        for name in python3.$minor python3.${minor}t; do command -v "$name"; done
    done
}

# ---------------------------------------------------------------- Debian's

apt_private() {  # apt, of Debian testing, with no knowledge of this system and no effect on it
    command=$1; shift
    "$command" -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$work/apt/lists" -o Dir::State::status="$work/apt/status" \
        -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@"
}

debian() {  # prepares `apt_private`; the mirror is the one that this system uses
    command -v apt-get > /dev/null || return 1
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
             sed -n 's/^Debian //p' | grep -v security | head -1)
    [ -n "$mirror" ] || return 1
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    : > "$work/apt/status"
    printf '%s %s testing main\n' deb "$mirror" deb-src "$mirror" > "$work/apt/sources.list"
    apt_private apt-get update -q > "$work/apt/log" 2>&1
}

debians_pythons() { apt_private apt-cache search --names-only '^python3\.[0-9]+$' | sed 's/ .*//' | sort -V; }

unpacked() {  # a folder with all Pythons of testing and a compiler; nothing in it was ever configured
    root=$work/testing
    packages=$(for python in $(debians_pythons); do echo "$python $python-venv $python-dev"; done)
    rm -rf "$root" && mkdir -p "$root"
    apt_private apt-get install -qq --yes --download-only --no-install-recommends $packages \
        base-files dash coreutils sed grep g++ ccache ca-certificates >> "$work/apt/log" 2>&1 || return 1
    for package in "$work"/apt/cache/archives/base-files_*.deb "$work"/apt/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$root" || return 1
    done
    [ -e "$root/bin/sh" ] || ln -s dash "$root/usr/bin/sh"
    ln -sf "$(ls "$root/usr/bin" | sed -n '/^g++-[0-9]*$/p' | tail -1)" "$root/usr/bin/c++"
    mkdir -p "$root/tmp" "$root/root" "$root/etc/ssl" "$root/proc"
    for device in "null 3" "zero 5" "urandom 9"; do
        set -- $device
        mknod -m 666 "$root/dev/$1" c 1 "$2" 2> /dev/null
    done
    # How packages are found is this system's business: where it looks, and whom it believes.
    for place in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs "$HOME/.config/pip" "$HOME/.pip"; do
        [ -e "$place" ] && mkdir -p "$root$(dirname "$place")" && cp -rL "$place" "$root$(dirname "$place")/" 2> /dev/null
    done
    mkdir -p "$root/smalti" && (cd "$top" && git ls-files -co --exclude-standard | tar -cf - -T -) |
        tar -xf - -C "$root/smalti"
}

free_threaded() {  # a Python without the lock; prints its path. Debian has none, but it has the source
    prefix=$work/free-threaded
    if [ ! -x "$prefix/bin/python3" ]; then
        for name in $(debians_pythons | sort -rV); do
            rm -rf "$work/source" && mkdir -p "$work/source" && cd "$work/source" || return 1
            apt_private apt-get source -qq --download-only --tar-only "$name" >> "$work/apt/log" 2>&1 && break
        done
        tar -xf "$work"/source/*.orig.tar.* --strip-components=1 || return 1
        { ./configure --disable-gil --prefix="$prefix" CFLAGS="-O2 -g0" &&
          make -j"${JOBS:-2}" && make install; } > "$work/free-threaded.log" 2>&1 || return 1
    fi
    echo "$prefix/bin/python3"
}

# ---------------------------------------------------------------- all of them

record() {  # build/trust/pythons.json, for docs/reliability.md
    mkdir -p "$top/build/trust"
    python3 - "$results" "$top/build/trust/pythons.json" "$1" << 'PYTHON'
import json, pathlib, sys

rows = [line.split("\t") for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
passed = [row for row in rows if row[1] == "passed"]
figures = [f"{len(passed)} Pythons give the stored results: {', '.join(row[0] for row in passed)}"]
figures += [f"{name}: {result}; {said}" for name, result, said in rows]
record = {
    "guarantees": [20], "name": "Every Python", "command": "make pythons", "figures": figures,
    "passed": bool(passed) and all(row[1] != "failed" for row in rows),
    "minutes": round(int(sys.argv[3]) / 60, 1),
}
pathlib.Path(sys.argv[2]).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
sys.exit(not record["passed"])
PYTHON
}

if [ "${1:-}" = --one ]; then
    one "$2"
    exit
fi

begin=$(date +%s)
mkdir -p "$work" && : > "$results"
seen=""
for python in $(pythons_here); do
    is_new "$python" || continue
    version=$(version_of "$python")
    case " $seen " in *" $version "*) continue ;; esac
    seen="$seen $version"
    say "$version ..."
    note "$version" "$(one "$python")"
done

if [ "$(id -u)" != 0 ] || ! debian; then
    leave_out "Debian testing" "needs Debian, root and a mirror"
else
    say "Debian testing ..."
    if unpacked; then
        for python in $(debians_pythons); do
            inside="chroot $work/testing env HOME=$HOME PATH=/usr/bin:/bin"
            version=$($inside "$python" -c 'import platform; print(platform.python_version())')
            say "$version of Debian testing ..."
            note "$version of Debian testing" "$($inside sh /smalti/tools/pythons.sh --one "/usr/bin/$python")"
        done
    else
        leave_out "Debian testing" "$(grep '^E:' "$work/apt/log" | tail -1)"
    fi
    if python=$(free_threaded); then
        note "$(version_of "$python"), free-threaded" "$(one "$python")"
    else
        leave_out "free-threaded" "Debian's source package cannot be had or built"
    fi
fi
record $(($(date +%s) - begin))
