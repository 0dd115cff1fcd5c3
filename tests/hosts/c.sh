#!/usr/bin/env bash
# Yutu in C programs: Lua states in several threads of a host, and what a host must find as it left it.
# (C with no Lua at all: tests/c/train_test.c, threads_test.c, fork_test.c.)
#
#   c.sh [NAME...]     the programs of c/ to run; all of them unless said

. "$(dirname -- "$(readlink -f -- "$0")")/support"
prepare

passed=0 failed=0
# host NAME: compiles c/NAME.c, runs it and adds up its counts.
host() {
  local name=$1 output good=0 bad=1
  # shellcheck disable=SC2086
  if cc -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror ${SANITIZE:+-g -fsanitize=$SANITIZE} \
    -I"$yutu_root/tests/c" -I/usr/include/luajit-2.1 \
    "$hosts/c/$name.c" -o "$work/$name" -lluajit-5.1 -lm -pthread; then
    output=$(timeout 300 "$work/$name" "$expected") || true
    [[ $output =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] && good=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
  fi
  echo "$name: $good passed, $bad failed"
  passed=$((passed + good)) failed=$((failed + bad))
}

export YUTU_LIBRARY=$library YUTU_THREADS=2
export LUA_PATH="$yutu_root/lua/?.lua;$yutu_root/lua/?/init.lua;$hosts/?.lua;$hosts/c/?.lua;;"
[ $# -gt 0 ] || set -- states manners
for name in "$@"; do host "$name"; done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
