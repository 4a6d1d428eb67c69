#!/bin/bash
# An event stream read by lines from `curl --http2`, which asks for h2c with each request.
last=''
field() { sed -nE "s/.*\"$1\":\"?([^\",}]*).*/\1/p" <<< "$2"; }
while :; do
  resume=()
  if [ -n "$last" ]; then resume=(-H "Last-Event-ID: $last"); fi
  event=message
  while IFS= read -r line; do
    case "$line" in
      'event: '*) event=${line#event: } ;;
      'id: '*) last=${line#id: } ;;
      'data: '*)
        data=${line#data: }
        if [ "$event" = message ]; then
          echo "message $(field topic "$data") $(field seq "$data") $last"
        elif [ "$event" = gap ]; then
          echo "gap $(field reason "$data")"
        elif [ "$event" = position ] && [[ "$data" == *'"node"'* ]]; then
          recovered=$(field recovered "$data")
          echo "welcome $(field node "$data")"
          echo "subscribed ${recovered:-new} $(field reason "$data")"
        fi ;;
      '') event=message ;;
    esac
  done < <(curl --http2 -sSN --fail -H 'Accept: text/event-stream' "${resume[@]}" "$HUB_URL/stream?topics=$HUB_TOPIC")
  echo 'lost the stream ended'
  sleep 1
done
