#!/usr/bin/env bash
# The Neo4j of the specs, from Maven Central, once: about 130 MB in the user's cache. Where there is no Java 17 or Maven, or
# Maven Central is out of reach, it says so, and the specs that need a real Neo4j are skipped.
set -uo pipefail

pom="$(cd "$(dirname "$0")" && pwd)/connectors/neo4j/pom.xml"
version=$(sed -n 's/.*<version>\(5\..*\)<\/version>.*/\1/p' "$pom" | head -n 1)
folder="${XDG_CACHE_HOME:-$HOME/.cache}/axiom-streaming-specs/neo4j-$version"
[ -d "$folder" ] && exit 0

skip() {
  echo "Specs that want Neo4j will be skipped: $1" >&2
  exit 0
}
command -v java >/dev/null || skip "there is no java"
command -v mvn >/dev/null || skip "there is no mvn"
mkdir -p "$(dirname "$folder")"
fresh=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
echo "Fetching Neo4j $version …"
timeout 300 mvn -B -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$fresh" >"$fresh.log" 2>&1 || {
  reason=$(grep -m 1 ERROR "$fresh.log")
  rm -f "$fresh.log"
  skip "${reason:-Maven did not answer in time}"
}
rm -f "$fresh.log"
mv -T "$fresh" "$folder" 2>/dev/null || [ -d "$folder" ] || skip "$folder could not be written"
