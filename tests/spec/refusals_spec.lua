--- What a user gets wrong at the prompt is refused by name, at the user's line, and leaves memory alone.
local yutu = require "yutu"
local check = require "tests.check"

