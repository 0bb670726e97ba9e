# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What signing costs: the same phones, names and bytes three times, made for the
# first time after a change of the certificates (cold), found made (warm), and
# read from disk as they are (not). Sourced by run.

# shellcheck disable=SC2034,SC2154 # $quick $rounds and the folders come from run, machine.sh and servers.sh
phones=$([ "$quick" ] && echo 400 || echo 800) # that have a master file
masters=$data/masters  # what is to be signed
made=$data/made        # what cfgsrv made of it, to check the warm storms with
ready=$data/ready-made # the same as files
keys2=$data/keys2

measure_signed() {
  local r
  prepare_signed
  for ((r = 1; r <= rounds; r++)); do
    say "round $r of $rounds: signed"
    change_certificates
    tftp_boot signing signed-cold "$made" 127.0.0.1:20169 -c 512 -phones "$phones" -n "$phones" -warmup 0
    collect "$made" '' .cnf.xml.sgn
    tftp_boot signing signed-warm "$made" 127.0.0.1:20169 -c 512 -phones "$phones" -n "$phones"
    tftp_boot ready signed-not "$ready" 127.0.0.1:20269 -c 512 -phones "$phones" -n "$phones"
    change_certificates
    building signing cold 20169 "$made" "$presented"
    collect "$made" '' .cnf.xml.sgn
    building signing warm 20169 "$made" "$presented"
    building ready not 20269 "$ready" "$keys"
  done
}

prepare_signed() {
  mkdir -p "$masters" "$made"
  "$bin/population" -masters "$masters" -n "$phones" -size 11500
  cp "$files/dialplan.xml" "$files/ringlist.xml" "$files/config.xml" "$masters"
  cp -r "$masters" "$ready"
  cp "$masters"/* "$made"
  "$bin/load" mkcerts -dir "$keys2"
  # The client's certificate is to be good whichever of the two is presented.
  cp "$keys"/ca.* "$keys"/client.* "$keys2"
  start_cfgsrv signing "$masters" 127.0.0.1 20169
  await_cfgsrv signing 127.0.0.1 20169
  collect "$ready" ITL .tlv
  collect "$ready" '' .cnf.xml.sgn
  start_cfgsrv ready "$ready" 127.0.0.1 20269
  await_cfgsrv ready 127.0.0.1 20269
}

# collect TO PREFIX SUFFIX: fetches a file that cfgsrv makes, for each phone.
collect() {
  wishes 0 "$phones" "$1" "$2" "$3" | curl -sf --config -
}

# wishes FIRST N TO PREFIX SUFFIX: what curl is to fetch for those phones.
wishes() {
  local i name
  for ((i = $1; i < $1 + $2; i++)); do
    printf -v name '%sSEP%012X%s' "$4" $((0x001A2B000000 + i)) "$5"
    printf 'url=http://127.0.0.1:%s/%s\noutput="%s/%s"\n' "${PORT:-20170}" "$name" "$3" "$name"
  done
}

# change_certificates presents other ones, and waits for the restart. What will
# be signed then is not known before, only that it is there: all of it counts as
# wrong content in a cold storm. The report takes that for right if it is
# exactly one file of each phone; the warm storm then checks the bytes.
presented=$keys
change_certificates() {
  local before end=$((SECONDS + 20)) name
  [ "$presented" = "$keys" ] && presented=$keys2 || presented=$keys
  before=$(generation)
  present "$data/signing" "$presented"
  until [ "$(generation)" != "$before" ]; do
    [ $SECONDS -lt $end ] || fail "cfgsrv does not notice new certificates"
    sleep 0.2
  done
  sleep 1 # what else the change may set off
  collect "$made" ITL .tlv
  for name in "$masters"/SEP*.cnf.xml; do
    echo -n >"$made/${name##*/}.sgn"
  done
}

generation() { curl -sf http://127.0.0.1:20175/metrics | sed -n 's/^cfgsrv_generation //p'; }

# building SERVER KIND PORT FILES KEYS: a building comes back from a power cut.
# A third of the phones boots by TFTP, a third by HTTP, a third by HTTPS with a
# full handshake for each of its five files, half of these mutual. The load
# generator asks for one name by HTTP, so curl plays the phones of that third.
building() {
  local name=$1 kind=$2 port=$3 from=$4 certs=$5 n=400 before missing storm=()
  [ -z "$quick" ] || n=200
  before=$(cpu_us "$name")
  tftp_boot "$name" "building-$kind-tftp" "$from" "127.0.0.1:$port" -phones $n -c $n -n $n -warmup 0 &
  storm+=($!)
  by_http "$port" $n &
  storm+=($!)
  by_https "$name" "building-$kind-tls" "$port" "$certs" $((n * 5 / 2)) &
  storm+=($!)
  by_https "$name" "building-$kind-mutual" "$port" "$certs" $((n * 5 / 2)) -client "$certs/client" &
  wait "${storm[@]}" $!
  missing=$((4 * n - $(find "$data/by-http" -type f -size +0 | wc -l)))
  measured cfgsrv "building-$kind" $((($(cpu_us "$name") - before) / (3 * n))) us
  [ $missing = 0 ] || printf '{"server":"cfgsrv","case":"building-%s-http","errors":%d}\n' "$kind" $missing >>"$samples"
}

# by_http PORT N: the five files of N phones that did not boot by TFTP, each on
# a connection of its own.
by_http() {
  local part to=$data/by-http
  rm -rf "$to"
  mkdir -p "$to"
  {
    for part in 'CTL .tlv' 'ITL .tlv' ' .cnf.xml.sgn'; do
      PORT=$(($1 + 1)) wishes "$2" "$2" "$to" "${part%% *}" "${part##* }"
    done
    for ((i = 0; i < $2; i++)); do
      for part in dialplan.xml ringlist.xml; do
        printf 'url=http://127.0.0.1:%s/%s\noutput="%s/%s"\n' $(($1 + 1)) $part "$to" "$i-$part"
      done
    done
  } | taskset -c "$client_core" curl -sf -H 'Connection: close' --parallel --parallel-max 32 --config - 2>/dev/null || true # CTL is not found
}

by_https() {
  local name=$1 workload=$2 port=$3 certs=$4 n=$5
  shift 5
  GROUP=$name load_run cfgsrv "127.0.0.1:$((port + 2))" "$files" "$workload" \
    https -tls 1.3 -n "$n" -warmup 0 -certs "$certs" -max-time 30s "$@"
}
