-- Admits up to ARGV[1] requests against all windows at once, or none.
-- KEYS[1]  a hash: "<window length>:<sub-bucket>" -> admissions, "i:<instance>" -> its calls so far
-- ARGV[1]  requests asked for; if so many do not fit, one is tried; 0 only reports
-- ARGV[2]  life of the key, milliseconds
-- ARGV[3]  time within which several will be used, microseconds: they are charged at its end
-- ARGV[4]  the instance, ARGV[5] the calls of it that this hash has counted as far as it knows
-- then for each window: length, sub-bucket length (microseconds), sub-buckets, limit, admissions made
-- elsewhere that are charged in any case, and all admissions of this instance that may still count,
-- which are charged instead when the hash has forgotten the instance or some of its calls
-- Returns {admitted, calls, used, retry after, reset after, used, ...}; times in microseconds.
--
-- Whoever can write to Redis can change the hash, and a server's clock can jump. So no field is
-- believed beyond what this script could have written: counts are between 0 and the limit,
-- sub-buckets no later than the present ones, calls few more than the instance knows, and a hash of another type or size is deleted. What is
-- wrong stops counting within a window; nobody waits longer because of it.
local wanted, life, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local instance, known = 'i:' .. ARGV[4], tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local windows, by_label, most_fields = {}, {}, 2 * 64 + 8
for i = 6, #ARGV - 5, 6 do
  local w = { label = ARGV[i], step = tonumber(ARGV[i + 1]), steps = tonumber(ARGV[i + 2]),
              limit = tonumber(ARGV[i + 3]), owed = tonumber(ARGV[i + 4]),
              mine = tonumber(ARGV[i + 5]), used = 0, buckets = {}, count = {} }
  w.bucket = math.floor(now / w.step)
  -- The last one that a lease can be charged to.
  w.latest = math.floor((now + lease) / w.step)
  windows[#windows + 1] = w
  by_label[w.label] = w
  most_fields = most_fields + 2 * w.steps + 8
end

local fields = redis.pcall('HLEN', KEYS[1])
if type(fields) == 'table' or fields > most_fields then redis.call('DEL', KEYS[1]) end

-- A whole number from 0 to `most`; `other` for anything else.
local function bounded(text, most, other)
  local n = tonumber(text)
  if not n or n ~= n or n < 0 then return other end
  return math.min(math.floor(n), most)
end

local stored, calls, others, dead, moved = redis.call('HGETALL', KEYS[1]), nil, {}, {}, {}
for i = 1, #stored, 2 do
  local field, value = stored[i], stored[i + 1]
  local label, bucket = string.match(field, '^(%d+):(%d+)$')
  local w, n = by_label[label], tonumber(bucket)
  if w and string.format('%.0f', n) ~= bucket then
    dead[#dead + 1] = field
  elseif w then
    local count = bounded(value, w.limit, w.limit)
    -- The server's clock went back, or somebody wrote it: it counts as if it were made now.
    if n > w.latest then
      dead[#dead + 1] = field
      moved[#moved + 1] = { w, count }
    elseif n < w.bucket - w.steps then
      dead[#dead + 1] = field
    else
      local text = string.format('%.0f', count)
      if value ~= text then redis.call('HSET', KEYS[1], field, text) end
      w.buckets[#w.buckets + 1] = n
      w.count[n] = count
      w.used = w.used + count
    end
  elseif field == instance then
    -- Calls whose answers were lost are few. A greater number hides losses that come later.
    local n = bounded(value, 2 ^ 53, nil)
    if n and n <= known + 2 ^ 20 then calls = n end
  elseif string.sub(field, 1, 2) == 'i:' then
    others[#others + 1] = field
  end
end
-- Instances come and go; one that is forgotten here charges what it knows once more.
if #others > 64 then
  for _, field in ipairs(others) do dead[#dead + 1] = field end
end

local function charge(w, bucket, n)
  if n <= 0 then return end
  if not w.count[bucket] then
    w.count[bucket] = 0
    w.buckets[#w.buckets + 1] = bucket
  end
  n = math.min(n, 2 ^ 31)
  w.count[bucket] = w.count[bucket] + n
  w.used = w.used + n
  redis.call('HINCRBY', KEYS[1], string.format('%s:%.0f', w.label, bucket), string.format('%.0f', n))
end

-- In slices: unpack has a bound.
for i = 1, #dead, 1000 do redis.call('HDEL', KEYS[1], unpack(dead, i, math.min(i + 999, #dead))) end
for _, m in ipairs(moved) do
  local w, count = m[1], m[2]
  charge(w, w.latest, math.min(count, w.limit - w.used))
end

local is_lost = not calls or calls < known
local fits_all, fits_one = true, true
for _, w in ipairs(windows) do
  charge(w, w.bucket, is_lost and w.mine or w.owed)
  if w.used + wanted > w.limit then fits_all = false end
  if w.used + 1 > w.limit then fits_one = false end
end

local admitted = 0
if fits_all then admitted = wanted elseif wanted > 0 and fits_one then admitted = 1 end
for _, w in ipairs(windows) do
  if admitted > 1 then
    charge(w, math.floor((now + lease) / w.step), admitted)
  else
    charge(w, w.bucket, admitted)
  end
end
calls = math.max(calls or 0, known) + 1
redis.call('HSET', KEYS[1], instance, string.format('%.0f', calls))
redis.call('PEXPIRE', KEYS[1], life)

local answer = { admitted, calls }
for _, w in ipairs(windows) do
  table.sort(w.buckets)
  local surplus, retry, reset = w.used + 1 - w.limit, 0, 0
  for _, n in ipairs(w.buckets) do
    if surplus > 0 then
      surplus = surplus - w.count[n]
      retry = (n + w.steps + 1) * w.step - now
    end
    reset = (n + w.steps + 1) * w.step - now
  end
  answer[#answer + 1] = w.used
  answer[#answer + 1] = retry
  answer[#answer + 1] = reset
end
return answer
