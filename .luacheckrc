std = "luajit"
max_line_length = 120
self = false -- a method may ignore its object
ignore = { "542" } -- an empty branch with a comment says more than a negated condition
exclude_files = { "build", "tests/reference" }

files["tests/spec"] = { std = "luajit+busted" }
files["tests/hosts/love"] = { globals = { "love" } }
files["tests/hosts/neovim"] = { read_globals = { "vim" } }
