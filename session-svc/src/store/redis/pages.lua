-- Indexes in pages: see pages.rs. This text is put before the scripts that write to them.

local ENTRY, PAGE = 14, 32 * 14

-- The number of the entry at a place of a page: its time in ms, and the first 11 bits of its id.
local function number_of(page, at)
  local a, b, c, d, e, f, g, h = string.byte(page, at, at + 7)
  local time = ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
  return time * 2048 + g * 8 + math.floor(h / 32)
end

-- The page that a number belongs to, and where it begins.
local function page_of(key, number)
  return unpack(redis.call('ZRANGE', key, number, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES'))
end

-- The lowest and the highest number of a page.
local function bounds_of(page)
  local low, high = math.huge, 0
  for at = 1, #page, ENTRY do
    local number = number_of(page, at)
    low, high = math.min(low, number), math.max(high, number)
  end
  return low, high
end

-- Divides a page where another number begins, as near to the middle as there is such a place.
local function divide(key, page, from)
  local entries = {}
  for at = 1, #page, ENTRY do entries[#entries + 1] = string.sub(page, at, at + ENTRY - 1) end
  table.sort(entries, function(one, other) return number_of(one, 1) < number_of(other, 1) end)
  local middle = math.floor(#entries / 2) + 1
  for distance = 0, middle do
    for _, at in ipairs({ middle + distance, middle - distance }) do
      local number = at > 1 and at <= #entries and number_of(entries[at], 1)
      if number and number > number_of(entries[at - 1], 1) then
        redis.call('ZREM', key, page)
        redis.call('ZADD', key, from, table.concat(entries, '', 1, at - 1), number, table.concat(entries, '', at))
        return
      end
    end
  end
end

-- Adds an entry that is not there yet.
local function put(key, entry)
  local number = number_of(entry, 1)
  local page, from = page_of(key, number)
  if not page then
    -- Below all others: the first page begins here now, if it has room.
    page, from = redis.call('ZRANGE', key, 0, 0)[1], number
    if page and #page >= PAGE then page = nil end
  elseif #page >= PAGE then
    local low, high = bounds_of(page)
    if number > high then
      -- What comes last, as most does, begins a page and leaves a full one behind.
      page, from = nil, number
    elseif low < high then
      divide(key, page, from)
      page, from = page_of(key, number)
    end
  end
  if page then redis.call('ZREM', key, page) end
  redis.call('ZADD', key, from, (page or '') .. entry)
end

-- Where an entry begins in a page.
local function place_of(page, entry)
  local at = string.find(page, entry, 1, true)
  while at and (at - 1) % ENTRY ~= 0 do at = string.find(page, entry, at + 1, true) end
  return at
end

-- Removes an entry, if it is there.
local function take(key, entry)
  -- The page, and the one before it.
  local number = number_of(entry, 1)
  local found = redis.call('ZRANGE', key, number, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 2, 'WITHSCORES')
  local page, from, before, earlier = unpack(found)
  local at = page and place_of(page, entry)
  if not at then return end
  local left = string.sub(page, 1, at - 1) .. string.sub(page, at + ENTRY)
  redis.call('ZREM', key, page)
  if before and #left <= PAGE / 4 and #before + #left <= PAGE * 3 / 4 then
    -- What is left is little, and joins the page before.
    redis.call('ZREM', key, before)
    from, left = earlier, before .. left
  end
  if left ~= '' then redis.call('ZADD', key, from, left) end
end
