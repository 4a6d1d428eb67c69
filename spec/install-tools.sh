#!/usr/bin/env bash
# What the specs need and npm does not bring: redis-server and nginx. Installs them where it may, and names them
# where it may not. PostgreSQL, Prometheus and Python's clients come with them; where those are missing their specs are skipped.
set -euo pipefail

bash "$(dirname "$0")/install-neo4j.sh"
bash "$(dirname "$0")/install-airflow.sh"

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
packages=()
command -v redis-server >/dev/null || packages+=(redis-server)
command -v nginx >/dev/null || packages+=(nginx-light)
optional=()
{ command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 || optional+=(postgresql)
/usr/bin/python3 -c 'import socketio, aiohttp, websocket' 2>/dev/null ||
  optional+=(python3 python3-socketio python3-aiohttp python3-websocket python3-requests)
command -v curl >/dev/null || optional+=(curl)
command -v promtool >/dev/null || optional+=(prometheus)
command -v prometheus-redis-exporter >/dev/null || optional+=(prometheus-redis-exporter)
[ ${#packages[@]} -eq 0 ] && [ ${#optional[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  packages+=("${optional[@]}")
  echo "Installing ${packages[*]} …"
  export DEBIAN_FRONTEND=noninteractive
  # Nothing that is installed here may start by itself: the specs start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  exit 0
fi

[ ${#optional[@]} -eq 0 ] || echo "Specs that want ${optional[*]} will be skipped." >&2
[ ${#packages[@]} -eq 0 ] && exit 0
echo "The specs need ${packages[*]}, which this script may not install." >&2
echo "On Debian or Ubuntu: sudo apt-get install ${packages[*]}" >&2
echo "On macOS: brew install redis nginx" >&2
exit 1
