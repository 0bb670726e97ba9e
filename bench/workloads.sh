# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What cfgsrv and the peers are measured by, side by side. Sourced by run.

# shellcheck disable=SC2034,SC2154 # $only $quick $rounds and the folders come from run, machine.sh and servers.sh

# name, what the servers must offer (window: TFTP with RFC 7440), size, size
# with --quick, and the load generator's command, @ being the size.
workloads=(
  "boot-1             tftp    200   100   boot -c 1 -n @"
  "boot-64            tftp    1500  400   boot -c 64 -n @"
  "boot-512           tftp    1500  512   boot -c 512 -n @"
  "boot-2000          tftp    2000  2000  boot -c 2000 -n @"
  "loss               tftp    800   256   boot -c 256 -n @ -drop 0.01"
  "firmware           tftp    8     2     firmware -c 32 -blksize 1428 -name firmware-@.bin"
  "window             window  8     2     firmware -c 32 -blksize 1428 -windowsize 16 -name firmware-@.bin"
  "full-1.2           tls     600   200   https -tls 1.2 -n @"
  "full-1.3           tls     600   200   https -tls 1.3 -n @"
  "mutual-1.2         mutual  300   100   https -tls 1.2 -client $keys/client -n @"
  "mutual-1.3         mutual  300   100   https -tls 1.3 -client $keys/client -n @"
  "resumed-1.2        tls     2000  600   https -mode resume -tls 1.2 -n @"
  "resumed-1.3        tls     2000  600   https -mode resume -tls 1.3 -n @"
  "resumed-mutual-1.2 mutual  1500  400   https -mode resume -tls 1.2 -client $keys/client -n @"
  "resumed-mutual-1.3 mutual  700   300   https -mode resume -tls 1.3 -client $keys/client -n @"
  "rsa-1.2            tls     500   200   https -tls 1.2 -cert rsa -n @"
  "rsa-1.3            tls     500   200   https -tls 1.3 -cert rsa -n @"
  "kept               tls     12000 4000  https -mode keep -c 16 -n @"
  "large              tls     12    4     https -mode keep -c 4 -n @ -warmup 1 -name firmware.bin"
)

# longest SERVER: the slowest peers are cut off after this long; what they did
# until then counts. tftpd-hpa comes to no end of a storm in any case.
longest() {
  case $1${quick:+ quick} in
    'tftpd-hpa quick') echo 1s ;;
    tftpd-hpa) echo 2s ;;
    *quick) echo 2s ;;
    *) echo 6s ;;
  esac
}

workload_names() {
  local w
  for w in "${workloads[@]}" "${alone[@]}"; do
    echo "${w%% *}"
  done
}

known_name() {
  local name
  [ -n "$1" ] || return 0
  while read -r name; do
    [[ $name == "$1" || $name == "$1"-* ]] && return 0
  done < <(workload_names)
  return 1
}

# chosen NAME: whether that workload is to be run.
chosen() { [ -z "$only" ] || [[ $1 == "$only" || $1 == "$only"-* ]]; }

# able KIND: the servers that offer it and take part.
able() {
  local all=("${tls_servers[@]}") s
  case $1 in
    tftp) all=("${tftp_servers[@]}") ;;
    window) all=(cfgsrv atftpd) ;;
  esac
  for s in "${all[@]}"; do
    ! serves "$s" || echo "$s"
  done
}

# load_run SERVER ADDRESS FILES WORKLOAD COMMAND FLAGS...: one measured run.
# GROUP and PREFIX may name another control group than the server's, and a
# command to run the load under.
load_run() {
  local server=$1 to=$2 from=$3 workload=$4 command=$5 cpu last=$logs/load-$4.last
  shift 5
  cpu=(-server-pid "${pid[${GROUP:-$server}]}")
  [ -z "${group[${GROUP:-$server}]}" ] || cpu=(-server-cgroup "${group[${GROUP:-$server}]}")
  ${PREFIX:-} taskset -c "$client_core" "$bin/load" "$command" -server "$server" -case "$workload" \
    -addr "$to" -files "$from" -out "$samples" "${cpu[@]}" "$@" >"$last" 2>&1 ||
    printf '{"server":"%s","case":"%s","failed":true}\n' "$server" "$workload" >>"$samples"
  sed 's/^/  /' "$last" | tee -a "$logs/load.log"
}

measure_side_by_side() {
  local w s r name kind size quick_size flags need=()
  for w in "${workloads[@]}"; do
    read -r name kind _ <<<"$w"
    chosen "$name" || continue
    mapfile -t -O ${#need[@]} need < <(able "$kind")
  done
  [ ${#need[@]} -gt 0 ] || return 0
  for s in $(printf '%s\n' "${need[@]}" | sort -u); do
    say "starting $s"
    start_server "$s"
  done
  ! serves cfgsrv || [[ " ${need[*]} " != *" cfgsrv "* ]] || which_certificate
  for ((r = 1; r <= rounds; r++)); do
    for w in "${workloads[@]}"; do
      read -r name kind size quick_size flags <<<"$w"
      chosen "$name" || continue
      [ -z "$quick" ] || size=$quick_size
      say "round $r of $rounds: $name"
      # shellcheck disable=SC2046 # names without blanks
      for s in $(turned "$r" $(able "$kind")); do
        side_by_side "$s" "$name" "$kind" "${flags//@/$size}"
        [ "$kind" = tls ] || [ "$kind" = mutual ] || calm_down "$s"
      done
    done
  done
  stop_all
}

side_by_side() {
  local server=$1 name=$2 kind=$3 flags more=()
  read -ra flags <<<"$4"
  [ "$kind" != window ] || kind=tftp
  [ "${flags[0]}" != https ] || more=(-certs "$keys")
  load_run "$server" "${address[$server.$kind]}" "$files" "$name" "${flags[@]}" "${more[@]}" -max-time "$(longest "$server")"
}

# calm_down SERVER: starts it anew if its last run lost anything. It would go on
# sending to phones that are gone, and the load generator would take that for
# answers of whoever is measured next.
calm_down() {
  tail -n 1 "$samples" | grep -q '"retransmits":0,' && return
  stop "$1"
  start_server "$1"
}

# turned N WORD...: the words, beginning with another one in each round, so that
# nobody always comes after the same neighbour.
turned() {
  local by=$1
  shift
  by=$((by % $#))
  echo "${@:by+1}" "${@:1:by}"
}

# which_certificate records what a client gets that can do both kinds.
which_certificate() {
  local version kind right=0
  for version in tls1_2 tls1_3; do
    kind=$(openssl s_client -connect "${address[cfgsrv.tls]}" "-$version" </dev/null 2>/dev/null |
      openssl x509 -noout -text 2>/dev/null | sed -n 's/.*Public Key Algorithm: //p') || true
    [ "$kind" != id-ecPublicKey ] || right=$((right + 1))
  done
  measured cfgsrv certificate "$right" "of 2 TLS versions"
}
