--- All losses that are declared, by family, as the table of losses/declare.lua.
for _, family in ipairs { "regression", "classification", "binary", "distance" } do
  require("yutu.nn.losses." .. family)
end
return require "yutu.nn.losses.declare"
