# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The machine: cores, control groups, processes, and what to say about it all.
# Sourced by run.

# shellcheck disable=SC2034,SC2154 # $out $here $load $options come from run
bin=$out/bin
data=$out/data       # removed at the end
logs=$out/log
samples=$out/samples.jsonl
namespaces=()        # network namespaces made here
declare -A pid group # of each running server, by its name

# One core for the server under test, another for the load.
server_core=0 client_core=1 pinned=yes
if [ "$(nproc)" -lt 2 ]; then
  client_core=0 pinned=''
fi

# A process may have as many files open as phones ask at once, and more.
ulimit -n "$(ulimit -Hn)"

fail() {
  echo "bench: $*" >&2
  exit 1
}

say() { echo "== $*" >&2; }

prepare_folders() {
  exec 9>"$out/lock"
  flock -n 9 || fail "another run is using $out"
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  rm -rf "$data" "$logs" "$samples"
  mkdir -p "$bin" "$data" "$logs"
  find_accounting
}

build() {
  say "building cfgsrv and the load generator"
  local programs=(./bench/report ./bench/population)
  [ -n "$given" ] || ! serves cfgsrv || programs+=(./cmd/cfgsrv)
  (cd "$here/.." && CGO_ENABLED=0 go build -trimpath -o "$bin/" "${programs[@]}")
  [ -z "$given" ] || install "$given" "$bin/cfgsrv"
  (cd "$load" && go build -o "$bin/load" .)
}

# accounting is the folder in which control groups count CPU time, empty if
# none may be made.
accounting=''
find_accounting() {
  local dir
  for dir in /sys/fs/cgroup/cpuacct /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup; do
    if [ -e "$dir/cpuacct.usage" ] || [ -e "$dir/cgroup.controllers" ]; then
      mkdir -p "$dir/cfgsrv-bench" 2>/dev/null || continue
      accounting=$dir/cfgsrv-bench
      return
    fi
  done
}

# start NAME COMMAND...: starts a server on its core, in a control group and a
# session of its own. It must stay in the foreground.
start() {
  local name=$1
  shift
  group[$name]=''
  if [ -n "$accounting" ]; then
    mkdir -p "$accounting/$name"
    group[$name]=$accounting/$name
  fi
  (
    [ -z "${group[$name]}" ] || echo "$BASHPID" >"${group[$name]}/cgroup.procs"
    exec setsid taskset -c "$server_core" "$@"
  ) >"$logs/$name.log" 2>&1 </dev/null 9>&- &
  pid[$name]=$!
}

# stop NAME: ends a server and all that it started, whether it likes it or not.
stop() {
  local name=$1 p=${pid[$1]:-}
  [ -n "$p" ] || return 0
  unset "pid[$name]"
  kill -TERM "$p" 2>/dev/null || true
  for _ in {1..60}; do
    kill -0 -- "-$p" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "-$p" 2>/dev/null || true
  wait "$p" 2>/dev/null || true
  [ -z "${group[$name]}" ] || rmdir "${group[$name]}" 2>/dev/null || true
}

stop_all() {
  local name
  for name in "${!pid[@]}"; do
    stop "$name"
  done
}

clean_up() {
  local ns
  stop_all
  for ns in "${namespaces[@]}"; do
    ip netns del "$ns" 2>/dev/null || true
  done
  [ -z "$accounting" ] || rmdir "$accounting" 2>/dev/null || true
  rm -rf "$data"
}

# await NAME COMMAND...: until the command succeeds, which asks that server for
# something. The server may end or the time run out instead: then all ends.
await() {
  local name=$1 end=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "${pid[$name]}" 2>/dev/null || [ $SECONDS -ge $end ]; then
      tail -n 20 "$logs/$name.log" >&2
      fail "$name does not serve"
    fi
  done
}

# ask URL: one request, as a client on the client's core; phones.test, which is
# in the certificates, is this machine.
ask() {
  taskset -c "$client_core" curl -sfk --connect-timeout 1 --max-time 5 -o /dev/null \
    --connect-to phones.test::127.0.0.1: "$1"
}

# cpu_us NAME: the CPU time that a server of one process has used, in µs.
cpu_us() {
  local g=${group[$1]}
  if [ -e "$g/cpuacct.usage" ]; then
    echo $(($(cat "$g/cpuacct.usage") / 1000))
  elif [ -n "$g" ]; then
    sed -n 's/^usage_usec //p' "$g/cpu.stat"
  else
    sed 's/.*) //' "/proc/${pid[$1]}/stat" | awk '{print ($12 + $13) * 10000}'
  fi
}

# measured SERVER WORKLOAD VALUE UNIT: keeps one value that the load generator
# did not measure.
measured() {
  printf '{"server":"%s","case":"%s","value":%s,"unit":"%s"}\n' "$@" >>"$samples"
  printf '  %s %s: %s %s\n' "$@"
}

describe_machine() {
  local rest=() option previous=''
  for option in "${options[@]}"; do
    case $previous in
      --load | --out | --cfgsrv) option=… ;; # where that is says nothing to others
    esac
    rest+=("$option")
    previous=$option
  done
  echo "- command: \`bench/run ${rest[*]}\`, rounds: $rounds, on $(date -u +%F)"
  echo "- machine: $(nproc) × $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)"
  # shellcheck disable=SC1091 # one file of every Linux
  echo "- system: $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r); net.core.rmem_default $(cat /proc/sys/net/core/rmem_default), rmem_max $(cat /proc/sys/net/core/rmem_max)"
  if [ "$pinned" ]; then
    echo "- servers on core $server_core, load on core $client_core, files in the page cache"
  else
    echo "- **one core only: servers and load share it**"
  fi
  if [ -n "$accounting" ]; then
    echo "- server CPU from a control group for each server"
  else
    echo "- server CPU from /proc (no control group may be made): **forking servers are under-counted**"
  fi
  server_versions
}
