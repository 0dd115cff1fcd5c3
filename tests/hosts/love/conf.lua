-- A game without a window, unless YUTU_WINDOW asks for one. The identity names its save folder.
function love.conf(t)
  t.identity = "yutu-host"
  local window = os.getenv "YUTU_WINDOW" ~= nil
  t.modules.window, t.modules.graphics = window, window
  t.modules.audio, t.modules.sound, t.modules.joystick, t.modules.physics = false, false, false, false
end
