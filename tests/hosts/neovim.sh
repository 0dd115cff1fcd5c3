#!/usr/bin/env bash
# Yutu in Neovim: as a plugin's lua/ folder with libyutu.so beside it, headless, without the user's settings.

. "$(dirname -- "$(readlink -f -- "$0")")/support"
prepare neovim

drop_in "$work/plugin/lua"
export hosts
timeout 90 nvim --headless -u NONE -i NONE --cmd "set runtimepath^=$work/plugin" \
  -c "luafile $hosts/neovim/main.lua" 2>&1
