-- `luacheck internal/engine/prosody/files`: modules of Prosody run with these two globals.
std = "lua54"
globals = { "module", "prosody" }
max_line_length = 120
