# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What cfgsrv is measured by alone: memory, start, and what must not cost more
# where there is more of it; signing is in signed.sh. Sourced by run.

# shellcheck disable=SC2034,SC2154 # $only $quick $rounds and the folders come from run, machine.sh and servers.sh
alone=(signed memory start files interfaces)

measure_alone() {
  local name
  serves cfgsrv || return 0
  for name in "${alone[@]}"; do
    chosen "$name" || continue
    "measure_$name"
    stop_all
  done
}

# tftp_boot NAME WORKLOAD FILES HOST:PORT FLAGS...: a storm on one of several
# cfgsrv, which is cfgsrv in the results.
tftp_boot() {
  local name=$1 workload=$2 from=$3 to=$4
  shift 4
  GROUP=$name load_run cfgsrv "$to" "$from" "$workload" boot -max-time 30s "$@"
}

# Memory: the most that was resident while 2,000 phones boot, each time in a
# fresh server.
measure_memory() {
  local r kind
  for ((r = 1; r <= (rounds + 1) / 2; r++)); do
    for kind in tftp tls; do
      say "memory: 2,000 phones at once by $kind"
      start_cfgsrv memory "$files" 127.0.0.1 20169
      await_cfgsrv memory 127.0.0.1 20169
      if [ $kind = tftp ]; then
        tftp_boot memory memory-tftp-load "$files" 127.0.0.1:20169 -c 2000 -n 4000
      else
        GROUP=memory load_run cfgsrv 127.0.0.1:20171 "$files" memory-tls-load https -tls 1.3 -client "$keys/client" \
          -certs "$keys" -c 2000 -n 2500 -max-time 30s
      fi
      measured cfgsrv "memory-$kind" "$(resident memory VmHWM)" MB
      stop memory
    done
  done
}

# resident NAME FIELD: that field of /proc/PID/status, in MB of 10^6 bytes.
resident() { awk -v f="$2:" '$1 == f {printf "%.1f", $2 * 1024 / 1e6}' "/proc/${pid[$1]}/status"; }

# large_site makes 100,000 files and 10,000 LSCs, once.
large_site() {
  [ ! -d "$data/site-100000" ] || return 0
  say "making 100,000 files and 10,000 certificates"
  site 100000
  mkdir -p "$data/many/lsc"
  "$bin/population" -lsc "$data/many/lsc" -n 10000
}

# site FILES: a folder of that many, with what 20 phones boot from.
site() {
  local dir=$data/site-$1
  "$bin/load" mkfiles -dir "$dir" -phones 20 -firmware-mib 1
  "$bin/population" -masters "$dir" -per-folder 1000 -n $(($1 - $(find "$dir" -type f | wc -l)))
}

# Start: until HTTP, TFTP and TLS serve, at once after the exec; and what is
# resident when it has been idle for a while.
measure_start() {
  local r began idle=6
  [ -z "$quick" ] || idle=3
  large_site
  start_cfgsrv many "$data/site-100000" 127.0.0.1 20169 # makes the other units
  await_cfgsrv many 127.0.0.1 20169
  stop many
  for ((r = 1; r <= rounds; r++)); do
    say "round $r of $rounds: start"
    began=${EPOCHREALTIME/./}
    start_cfgsrv many "$data/site-100000" 127.0.0.1 20169
    await_cfgsrv many 127.0.0.1 20169
    measured cfgsrv start "$(((${EPOCHREALTIME/./} - began) / 1000))" ms
    sleep "$idle"
    measured cfgsrv memory-idle "$(resident many VmRSS)" MB
    stop many
  done
}

# Files: the same 20 phones among ever more files.
measure_files() {
  local counts=(100 1000 10000 100000) n r name port=20169
  large_site
  for n in "${counts[@]}"; do
    [ -d "$data/site-$n" ] || site "$n"
    name=files-$n
    [ "$n" != 100000 ] || name=many
    start_cfgsrv "$name" "$data/site-$n" 127.0.0.1 $port
    await_cfgsrv "$name" 127.0.0.1 $port
    port=$((port + 100))
  done
  for ((r = 1; r <= rounds; r++)); do
    say "round $r of $rounds: files"
    for n in $(turned "$r" "${counts[@]}"); do
      case $n in
        100) port=20169 name=files-100 ;;
        1000) port=20269 name=files-1000 ;;
        10000) port=20369 name=files-10000 ;;
        100000) port=20469 name=many ;;
      esac
      tftp_boot "$name" "files-$n" "$data/site-$n" "127.0.0.1:$port" -phones 20 -c 64 -n "$([ "$quick" ] && echo 400 || echo 1500)"
    done
  done
}

# Interfaces: the same phones, from another network namespace over a veth pair,
# to a server in one that has ever more interfaces.
measure_interfaces() {
  local counts=(4 20 100) n r
  if ! ip netns add cfgsrv-bench-try 2>/dev/null; then
    say "interfaces: skipped, no network namespace may be made here"
    return
  fi
  ip netns del cfgsrv-bench-try
  for n in "${counts[@]}"; do
    make_interfaces "$n" || { say "interfaces: skipped, no veth pair can be made here"; return; }
    start_cfgsrv "interfaces-$n" "$files" 198.18.0.1 20069 nsenter "$(inside "s$n")"
    await_cfgsrv "interfaces-$n" 198.18.0.1 20069 nsenter "$(inside "c$n")"
  done
  for ((r = 1; r <= rounds; r++)); do
    say "round $r of $rounds: interfaces"
    for n in $(turned "$r" "${counts[@]}"); do
      PREFIX="nsenter $(inside "c$n")" tftp_boot "interfaces-$n" "interfaces-$n" "$files" 198.18.0.1:20069 \
        -c 64 -n "$([ "$quick" ] && echo 400 || echo 1500)"
    done
  done
}

# inside NAME: the flag that lets nsenter run something in a namespace of ours.
# (ip netns exec would hide the control groups.)
inside() { echo "--net=/run/netns/cfgsrv-bench-$1"; }

# make_interfaces N: a namespace for the server with N interfaces: its loopback,
# the link to the clients' namespace, and pairs that lead nowhere.
make_interfaces() {
  local s=cfgsrv-bench-s$1 c=cfgsrv-bench-c$1 ns i
  for ns in "$s" "$c"; do
    ip netns del "$ns" 2>/dev/null || true # of a run that was killed
    ip netns add "$ns"
    namespaces+=("$ns")
    ip -n "$ns" link set lo up
  done
  ip -n "$s" link add phones type veth peer name phones netns "$c" || return 1
  ip -n "$s" address add 198.18.0.1/30 dev phones
  ip -n "$c" address add 198.18.0.2/30 dev phones
  ip -n "$s" link set phones up
  ip -n "$c" link set phones up
  for ((i = 1; i <= ($1 - 2) / 2; i++)); do
    echo "link add a$i type veth peer name b$i"
    echo "address add 198.18.$i.1/30 dev a$i"
    echo "link set a$i up"
    echo "link set b$i up"
  done | ip -n "$s" -batch -
}
