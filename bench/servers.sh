# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The servers: where they come from, and how each is told to serve the same
# files with the same certificates. Sourced by run.

# shellcheck disable=SC2034,SC2154 # $out $data $bin $logs $wanted come from run and machine.sh
peers=$out/peers
files=$data/files
keys=$data/keys

tftp_servers=(cfgsrv dnsmasq atftpd tftpd-hpa)
tls_servers=(cfgsrv nginx apache caddy)

# Where each is reached. A peer has one port that asks for no client
# certificate and one that does; cfgsrv always asks.
declare -A address=(
  [cfgsrv.tftp]=127.0.0.1:20069 [cfgsrv.tls]=127.0.0.1:20071 [cfgsrv.mutual]=127.0.0.1:20071
  [dnsmasq.tftp]=127.69.0.1:69
  [atftpd.tftp]=127.0.0.1:21069
  [tftpd-hpa.tftp]=127.0.0.1:21169
  [nginx.tls]=127.0.0.1:21443 [nginx.mutual]=127.0.0.1:21444
  [apache.tls]=127.0.0.1:21543 [apache.mutual]=127.0.0.1:21544
  [caddy.tls]=127.0.0.1:21643 [caddy.mutual]=127.0.0.1:21644
)

# serves NAME: whether that server takes part.
serves() { [ -z "$wanted" ] || [[ " $wanted " == *" $1 "* ]]; }

PATH=$PATH:/usr/sbin:/sbin:$peers/usr/sbin:$peers/usr/bin

# install_peers gets what is missing from Debian. The packages are unpacked, not
# installed: nothing of the system changes, none of its services can start, and
# two that refuse to be installed together can be compared.
install_peers() {
  local need=() pair
  for pair in nginx:nginx apache2:apache2-bin caddy:caddy dnsmasq:dnsmasq-base atftpd:atftpd in.tftpd:tftpd-hpa; do
    [ -n "$(type -P "${pair%%:*}")" ] || need+=("${pair##*:}")
  done
  [ ${#need[@]} -gt 0 ] || return 0
  say "unpacking ${need[*]}"
  mkdir -p "$peers/debs/partial"
  apt-get update -q >"$logs/apt.log" 2>&1 || true # an old list may do
  for package in "${need[@]}"; do
    apt-get install -y -q --no-install-recommends --download-only \
      -o Dir::Cache::archives="$peers/debs" "$package" >>"$logs/apt.log" 2>&1 ||
      fail "cannot get $package: see $logs/apt.log"
  done
  for deb in "$peers"/debs/*.deb; do
    dpkg-deb -x "$deb" "$peers"
  done
  rm -r "$peers/debs"
}

# unpacked is a command prefix for programs that may be unpacked beside their
# libraries.
unpacked=(env "LD_LIBRARY_PATH=$peers/usr/lib/$(uname -m)-linux-gnu:$peers/lib/$(uname -m)-linux-gnu")

start_peer() {
  local name=$1
  shift
  start "$name" "${unpacked[@]}" "$@"
}

make_files() {
  say "making files and certificates"
  "$bin/load" mkfiles -dir "$files" -phones 2000 -firmware-mib 64
  head -c 8M "$files/firmware.bin" >"$files/firmware-8.bin"
  head -c 2M "$files/firmware.bin" >"$files/firmware-2.bin"
  "$bin/load" mkcerts -dir "$keys"
  chmod -R a+rX "$files"
}

# data_folder NAME: a DATA for cfgsrv with the certificates that all servers
# have. All phones call from one address here, so its share is not limited.
data_folder() {
  local dir=$data/$1
  mkdir -p "$dir/certs/CallManager-trust" "$dir/lsc"
  if [ -d "$data/cfgsrv/state" ] && [ "$1" != cfgsrv ]; then
    cp -r "$data/cfgsrv/certs/." "$dir/certs/" # with the units that it made itself
  fi
  present "$dir" "$keys"
  cp "$keys/ca.crt" "$dir/certs/CallManager-trust/ca.pem"
  printf '[tftp]\nmax_per_address = 4000\n[https]\nmax_per_address = 4000\n' >"$dir/cfgsrv.toml"
}

# present DATA KEYS: the certificates of KEYS become those of a DATA, each file
# whole at every moment.
present() {
  local unit from
  for unit in CallManager:rsa CallManager-ECDSA:ecdsa; do
    from=$2/${unit##*:} unit=$1/certs/${unit%%:*}
    install -m 600 "$from.key" "$unit.key.new"
    install -m 644 "$from.crt" "$unit.pem.new"
    mv "$unit.key.new" "$unit.key"
    mv "$unit.pem.new" "$unit.pem"
  done
}

# start_cfgsrv NAME FILES HOST PORT [PREFIX...]: all listeners on, TFTP at PORT
# and the others after it. PREFIX is a command to run it under.
start_cfgsrv() {
  local name=$1 from=$2 host=$3 port=$4
  shift 4
  data_folder "$name"
  start "$name" "$@" "$bin/cfgsrv" serve --data "$data/$name" --files "$from" \
    --tftp "$host:$port" --http "$host:$((port + 1))" --phones "$host:$((port + 2))" --jabber "$host:$((port + 3))" \
    --capf "$host:$((port + 4))" --tvs "$host:$((port + 5))" --status "$host:$((port + 6))"
}

# await_cfgsrv NAME HOST PORT [PREFIX...]: until it serves by HTTP, TFTP and TLS.
await_cfgsrv() {
  local name=$1 host=$2 port=$3
  shift 3
  await "$name" "$@" curl -sf --max-time 5 -o /dev/null "http://$host:$((port + 1))/dialplan.xml"
  await "$name" "$@" curl -sf --max-time 5 -o /dev/null "tftp://$host:$port/dialplan.xml"
  await "$name" "$@" curl -sfk --max-time 5 -o /dev/null "https://$host:$((port + 2))/dialplan.xml"
}

start_server() {
  case $1 in
    cfgsrv)
      start_cfgsrv cfgsrv "$files" 127.0.0.1 20069
      await_cfgsrv cfgsrv 127.0.0.1 20069
      return
      ;;
    dnsmasq) start_dnsmasq ;;
    atftpd) start_atftpd ;;
    tftpd-hpa) start_tftpd_hpa ;;
    nginx) start_nginx ;;
    apache) start_apache ;;
    caddy) start_caddy ;;
  esac
  if [ -n "${address[$1.tftp]:-}" ]; then
    await "$1" ask "tftp://${address[$1.tftp]}/dialplan.xml"
  else
    await "$1" ask "https://phones.test:${address[$1.tls]##*:}/dialplan.xml"
    await "$1" ask "https://phones.test:${address[$1.mutual]##*:}/dialplan.xml"
  fi
}

# The peers are as Debian sets them up, logs included, with these exceptions:
# as many transfers at once as there are phones (they would turn phones away),
# no limit to requests on a connection, one worker for the one core, and the
# cipher that the client likes best, so that all use the same.

start_dnsmasq() {
  start_peer dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --pid-file= \
    --bind-interfaces --listen-address="${address[dnsmasq.tftp]%:*}" --log-facility="$logs/dnsmasq-access.log" \
    --enable-tftp --tftp-root="$files" --tftp-max=4000
}

start_atftpd() {
  start_peer atftpd atftpd --daemon --no-fork --user root.root --logfile "$logs/atftpd-access.log" --maxthread 4000 \
    --bind-address "${address[atftpd.tftp]%:*}" --port "${address[atftpd.tftp]##*:}" "$files"
}

start_tftpd_hpa() {
  start_peer tftpd-hpa in.tftpd --foreground --user root --address "${address[tftpd-hpa.tftp]}" --secure "$files"
}

start_nginx() {
  local dir=$data/nginx
  mkdir -p "$dir"
  cat >"$dir/nginx.conf" <<CONF
user root;
worker_processes 1;
daemon off;
pid $dir/pid;
error_log $logs/nginx-error.log;
events { worker_connections 8192; }
http {
  access_log $logs/nginx-access.log;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  ssl_certificate $keys/ecdsa.crt;
  ssl_certificate_key $keys/ecdsa.key;
  ssl_certificate $keys/rsa.crt;
  ssl_certificate_key $keys/rsa.key;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  root $files;
  server { listen ${address[nginx.tls]} ssl; }
  server { listen ${address[nginx.mutual]} ssl; ssl_client_certificate $keys/ca.crt; ssl_verify_client optional; }
}
CONF
  start_peer nginx nginx -c "$dir/nginx.conf" -e "$logs/nginx-error.log"
}

start_apache() {
  local dir=$data/apache modules=/usr/lib/apache2/modules
  [ -d "$modules" ] || modules=$peers$modules
  mkdir -p "$dir"
  cat >"$dir/apache.conf" <<CONF
ServerRoot $dir
PidFile $dir/pid
Mutex file:$dir default
ServerName phones.test
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule socache_shmcb_module $modules/mod_socache_shmcb.so
LoadModule ssl_module $modules/mod_ssl.so
KeepAlive On
MaxKeepAliveRequests 0
ErrorLog $logs/apache-error.log
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" combined
CustomLog $logs/apache-access.log combined
DocumentRoot $files
<Directory $files>
  Require all granted
</Directory>
SSLSessionCache shmcb:$dir/cache(512000)
SSLCipherSuite HIGH:!aNULL
SSLProtocol all -SSLv3
Listen ${address[apache.tls]} https
Listen ${address[apache.mutual]} https
SSLCertificateFile $keys/ecdsa.crt
SSLCertificateKeyFile $keys/ecdsa.key
SSLCertificateFile $keys/rsa.crt
SSLCertificateKeyFile $keys/rsa.key
<VirtualHost ${address[apache.tls]}>
  SSLEngine on
</VirtualHost>
<VirtualHost ${address[apache.mutual]}>
  SSLEngine on
  SSLCACertificateFile $keys/ca.crt
  SSLVerifyClient optional
</VirtualHost>
CONF
  start_peer apache apache2 -DFOREGROUND -f "$dir/apache.conf"
}

start_caddy() {
  local dir=$data/caddy
  mkdir -p "$dir"
  cat >"$dir/caddy.json" <<CONF
{
  "admin": {"disabled": true, "config": {"persist": false}},
  "storage": {"module": "file_system", "root": "$dir"},
  "apps": {
    "tls": {
      "certificates": {"load_files": [
        {"certificate": "$keys/ecdsa.crt", "key": "$keys/ecdsa.key"},
        {"certificate": "$keys/rsa.crt", "key": "$keys/rsa.key"}
      ]}
    },
    "http": {"servers": {
      "tls": {
        "listen": ["${address[caddy.tls]}"],
        "automatic_https": {"disable": true},
        "tls_connection_policies": [{"default_sni": "phones.test"}],
        "routes": [{"handle": [{"handler": "file_server", "root": "$files"}]}]
      },
      "mutual": {
        "listen": ["${address[caddy.mutual]}"],
        "automatic_https": {"disable": true},
        "tls_connection_policies": [{
          "default_sni": "phones.test",
          "client_authentication": {"mode": "verify_if_given", "trusted_ca_certs_pem_files": ["$keys/ca.crt"]}
        }],
        "routes": [{"handle": [{"handler": "file_server", "root": "$files"}]}]
      }
    }}
  }
}
CONF
  start_peer caddy caddy run --config "$dir/caddy.json"
}

server_versions() {
  local u=("${unpacked[@]}") v
  [ -z "$given" ] || echo "- cfgsrv as given by --cfgsrv"
  [ -n "$given" ] || ! serves cfgsrv || echo "- cfgsrv $(git -C "$here" describe --tags --always --dirty 2>/dev/null), $(go env GOVERSION)"
  v="dnsmasq $("${u[@]}" dnsmasq --version | sed -n 's/.*version \([^ ]*\).*/\1/p;q')"
  v+=", $("${u[@]}" atftpd --version 2>&1 | head -n 1)"
  v+=", $("${u[@]}" in.tftpd -V 2>&1 | sed 's/,.*//')"
  v+=", $("${u[@]}" nginx -v 2>&1 | sed 's/.*: //')"
  v+=", $("${u[@]}" apache2 -v | sed -n 's/.*: //p;q')"
  v+=", Caddy $("${u[@]}" caddy version | sed 's/ .*//')"
  echo "- peers: $v"
}
