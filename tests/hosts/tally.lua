--- Counts the promises that a host's script checks, and words the line that scripts/test reads.
local tally = { passed = 0, failed = 0 }

function tally.check(condition, ...)
  if condition then tally.passed = tally.passed + 1
  else
    tally.failed = tally.failed + 1
    io.stderr:write("not so: ", string.format(...), "\n")
  end
end

function tally.report() return ("%d passed, %d failed\n"):format(tally.passed, tally.failed) end

return tally
