-- Admits up to ARGV[1] requests against all windows at once, or none.
-- KEYS[1]  a hash: "<window length>:<sub-bucket>" -> admissions, "i:<instance>" -> its calls so far,
--          "t" -> the latest time seen
-- ARGV[1]  requests asked for; if so many do not fit, one is tried; 0 only reports
-- ARGV[2]  life of the key, milliseconds
-- ARGV[3]  time within which several will be used, microseconds: they are charged at its end
-- ARGV[4]  the instance, ARGV[5] the calls of it that this hash has counted as far as it knows
-- then for each window: length, sub-bucket length (microseconds), sub-buckets, limit, admissions made
-- elsewhere that are charged in any case, and all admissions of this instance that may still count,
-- which are charged instead when the hash has forgotten the instance or some of its calls
-- Returns {admitted, calls, used, retry after, reset after, used, ...}; times in microseconds.
local wanted, life, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local instance, known = 'i:' .. ARGV[4], tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local windows, by_label = {}, {}
for i = 6, #ARGV - 5, 6 do
  local w = { label = ARGV[i], step = tonumber(ARGV[i + 1]), steps = tonumber(ARGV[i + 2]),
              limit = tonumber(ARGV[i + 3]), owed = tonumber(ARGV[i + 4]),
              mine = tonumber(ARGV[i + 5]), used = 0, buckets = {}, count = {} }
  windows[#windows + 1] = w
  by_label[w.label] = w
end

local stored, calls, others, dead = redis.call('HGETALL', KEYS[1]), nil, {}, {}
for i = 1, #stored, 2 do
  local field, value = stored[i], tonumber(stored[i + 1]) or 0
  local label, bucket = string.match(field, '^(%d+):(%d+)$')
  local w, n = by_label[label], tonumber(bucket)
  if w and n then
    w.buckets[#w.buckets + 1] = n
    w.count[n] = value
  elseif field == instance then
    calls = value
  elseif field == 't' then
    -- A server clock that went back must not lose admissions: time stands still until it catches up.
    now = math.max(now, value)
  elseif string.sub(field, 1, 2) == 'i:' then
    others[#others + 1] = field
  end
end
-- Instances come and go; one that is forgotten here charges what it knows once more.
if #others > 64 then dead = others end

local is_lost = not calls or calls < known
local fits_all, fits_one = true, true
for _, w in ipairs(windows) do
  w.bucket = math.floor(now / w.step)
  local alive = {}
  for _, n in ipairs(w.buckets) do
    if n < w.bucket - w.steps then
      dead[#dead + 1] = string.format('%s:%.0f', w.label, n)
    else
      alive[#alive + 1] = n
      w.used = w.used + w.count[n]
    end
  end
  w.buckets = alive
  w.charge = is_lost and w.mine or w.owed
  w.used = w.used + w.charge
  if w.used + wanted > w.limit then fits_all = false end
  if w.used + 1 > w.limit then fits_one = false end
end

local admitted = 0
if fits_all then admitted = wanted elseif wanted > 0 and fits_one then admitted = 1 end
local function charge(w, bucket, n)
  if n <= 0 then return end
  redis.call('HINCRBY', KEYS[1], string.format('%s:%.0f', w.label, bucket), n)
  if not w.count[bucket] then
    w.count[bucket] = 0
    w.buckets[#w.buckets + 1] = bucket
  end
  w.count[bucket] = w.count[bucket] + n
end

-- In slices: unpack has a bound.
for i = 1, #dead, 1000 do redis.call('HDEL', KEYS[1], unpack(dead, i, math.min(i + 999, #dead))) end
for _, w in ipairs(windows) do
  charge(w, w.bucket, w.charge)
  if admitted > 1 then
    charge(w, math.floor((now + lease) / w.step), admitted)
  else
    charge(w, w.bucket, admitted)
  end
  w.used = w.used + admitted
end
calls = math.max(calls or 0, known) + 1
redis.call('HSET', KEYS[1], 't', string.format('%.0f', now), instance, string.format('%.0f', calls))
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
