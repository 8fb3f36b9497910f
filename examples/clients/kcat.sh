#!/bin/sh
# A request and its reply with kcat: sh kcat.sh "The train leaves at nine."
set -eu
servers=${CARTEIRO_BOOTSTRAP_SERVERS:-localhost:9092} prefix=${CARTEIRO_TOPIC_PREFIX:-llm}
id=$(date +%s)-$$

printf '{"text": "%s"}' "$1" |
  kcat -P -b "$servers" -t "$prefix.summarize.requests" -H "correlation_id=$id" -H timeout_ms=60000

# The newest 100 replies, again and again until ours is among them.
until kcat -C -q -e -b "$servers" -t "$prefix.summarize.replies" -o -100 -f '%h %s\n' | grep -m 1 "correlation_id=$id"; do
  sleep 1
done
