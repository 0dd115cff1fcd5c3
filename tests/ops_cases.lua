--- A case for every row of the op table, by name. tests/spec/ops_spec.lua walks the table with them: a row without a
-- case fails there, and so does a case without a row. The files of tests/cases say what a case holds.
local cases = {}
for kind, files in pairs {
  elementwise = { "elementwise" }, reduction = { "reductions" }, step = { "optimizers" }, random = { "random" },
  call = { "layout", "choosing", "rows", "linalg" },
} do
  for _, file in ipairs(files) do
    for name, case in pairs(require("cases." .. file)) do
      if name ~= "N" then
        assert(not cases[name], name .. " has two cases")
        if type(case) == "function" then case = { case } end
        cases[name] = { kind = kind, case = case }
      end
    end
  end
end
return cases
