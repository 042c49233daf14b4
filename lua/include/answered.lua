-- answered(text): a reply as the session keeps it.

local function answered(text)
  local moment, words = tonumber(text), {}
  for word in string.gmatch(text, '%S+') do
    words[#words + 1] = word
  end
  return moment and { 'accepted', moment } or words
end
