#!/bin/sh
# A request and its reply with kcat: sh kcat.sh "The train leaves at nine."
set -eu
servers=${CARTEIRO_BOOTSTRAP_SERVERS:-localhost:9092} prefix=${CARTEIRO_TOPIC_PREFIX:-llm}
id=$(date +%s)-$$

# The text as JSON: backslashes, quotes and tabs escaped, lines joined, other control characters left out.
tab=$(printf '\t')
text=$(printf '%s' "$1" | tr -d '\000-\010\013-\037' | sed "s/\\\\/\\\\\\\\/g; s/\"/\\\\\"/g; s/$tab/\\\\t/g" |
  awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }')

printf '{"text": "%s"}' "$text" |
  kcat -P -b "$servers" -t "$prefix.summarize.requests" -H "correlation_id=$id" -H timeout_ms=60000

# The newest 100 replies, again and again until ours is among them.
until kcat -C -q -e -b "$servers" -t "$prefix.summarize.replies" -o -100 -f '%h %s\n' | grep -a -m 1 "correlation_id=$id"; do
  sleep 1
done
