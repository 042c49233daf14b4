-- Redis runs Lua 5.1 in a sandbox. Includes are pasted into scripts, so what one include defines at its top
-- level is known to exactly the scripts that name it: the lists are read from the sources, not kept here.

std = {
  read_globals = {
    'ARGV', 'KEYS', 'assert', 'bit', 'cjson', 'cmsgpack', 'error', 'ipairs', 'math', 'next', 'pairs', 'pcall',
    'redis', 'select', 'string', 'struct', 'table', 'tonumber', 'tostring', 'type', 'unpack',
  },
}
max_line_length = 120
max_cyclomatic_complexity = 16 -- a script is one chunk; functions stay far below

local function read(path)
  local file = io.open(path)
  if not file then
    return nil
  end
  local text = file:read('*a')
  file:close()
  return text
end

local function defined(text)
  local names = {}
  for line in ('\n' .. text):gmatch('\n(local [^\n]*)') do
    local name = line:match('^local function ([%w_]+)')
    if name then
      names[#names + 1] = name
    else
      for one in (line:match('^local ([%w_%s,]+)') or ''):gmatch('[%w_]+') do
        names[#names + 1] = one
      end
    end
  end
  return names
end

local function known_to(text, seen, names)
  for include in text:gmatch('%-%- @include ([%w_]+)') do
    local pasted = not seen[include] and read('lua/include/' .. include .. '.lua')
    if pasted then
      seen[include] = true
      known_to(pasted, seen, names)
      for _, name in ipairs(defined(pasted)) do
        names[#names + 1] = name
      end
    end
  end
  return names
end

local listing = io.popen('ls lua/*.lua lua/include/*.lua 2>/dev/null')
local paths = {}
for path in listing:lines() do
  paths[#paths + 1] = path
end
listing:close()

-- An include may use what another defines. That a script pastes both shows when its tests run it, not here.
local offered = {}
for _, path in ipairs(paths) do
  if path:find('^lua/include/') then
    for _, name in ipairs(defined(read(path))) do
      offered[#offered + 1] = name
    end
  end
end

files = {}
for _, path in ipairs(paths) do
  if path:find('^lua/include/') then
    local ignored = {}
    for _, name in ipairs(defined(read(path))) do
      ignored[#ignored + 1] = '211/' .. name
      ignored[#ignored + 1] = '431/' .. name
    end
    files[path] = { read_globals = offered, ignore = ignored }
  else
    files[path] = { read_globals = known_to(read(path), {}, {}) }
  end
end
