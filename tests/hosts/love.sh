#!/usr/bin/env bash
# Yutu in LÖVE: as a folder, as a .love archive, and with a window. Each game counts; the last line adds up.

. "$(dirname -- "$(readlink -f -- "$0")")/support"
prepare love zip xvfb xauth

game=$work/game
cp -r -- "$hosts/love" "$game"
cp -- "$hosts/learn.lua" "$hosts/tally.lua" "$game"
drop_in "$game"
(cd "$game" && zip -q -r "$work/game.love" .)

export XDG_DATA_HOME=$work/save XDG_RUNTIME_DIR=$work ALSOFT_DRIVERS=null LIBGL_ALWAYS_SOFTWARE=1
saved=$XDG_DATA_HOME/love/yutu-host
passed=0 failed=0

# play WHAT COMMAND...: adds up what the game counts.
play() {
  local what=$1 good=0 bad=1
  shift
  if output=$(timeout 90 "$@"); then bad=0; fi
  [[ $output =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]] && good=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
  echo "$what: $good passed, $bad failed"
  passed=$((passed + good)) failed=$((failed + bad))
}
# promise TEXT COMMAND...: one more promise, kept when the command succeeds.
promise() {
  local text=$1
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "not so: $text"; fi
}

play "a folder" love "$game"
promise "a folder needs no copy of the library" [ ! -e "$saved/libyutu-unpacked.so" ]
play "an archive" love "$work/game.love"
promise "an archive's library is copied to the save folder" cmp -s "$library" "$saved/libyutu-unpacked.so"
promise "nothing else is left there" [ "$(ls -A "$saved")" = libyutu-unpacked.so ]
play "an archive, again" love "$work/game.love"
play "a window" env YUTU_WINDOW=1 xvfb-run -a -s "-screen 0 640x480x24" love "$game"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
