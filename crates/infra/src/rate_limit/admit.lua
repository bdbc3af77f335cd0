-- Admits or refuses ARGV[1] requests against all windows at once, or none.
-- KEYS[1]  a hash: "<window length>:<sub-bucket>" -> admissions
-- ARGV[1]  requests asked for
-- ARGV[2]  life of the key, milliseconds
-- then for each window: length, sub-bucket length (microseconds), sub-buckets, limit, and
-- admissions made elsewhere that are charged to it in any case
-- Returns {admitted, used, retry after, reset after, used, ...}; times in microseconds.
local cost, life = tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])

local windows, by_label = {}, {}
for i = 3, #ARGV, 5 do
  local w = { label = ARGV[i], step = tonumber(ARGV[i + 1]), steps = tonumber(ARGV[i + 2]),
              limit = tonumber(ARGV[i + 3]), owed = tonumber(ARGV[i + 4]), newest = -1, used = 0, buckets = {}, count = {} }
  windows[#windows + 1] = w
  by_label[w.label] = w
end

local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local label, bucket = string.match(stored[i], '^(%d+):(%d+)$')
  local w, n = by_label[label], tonumber(bucket)
  if w and n then
    w.buckets[#w.buckets + 1] = n
    w.count[n] = tonumber(stored[i + 1]) or 0
    if n > w.newest then w.newest = n end
  end
end

local fits, dead = true, {}
for _, w in ipairs(windows) do
  -- A server clock that went back must not lose admissions: time stands still until it catches up.
  w.now = math.max(clock, w.newest * w.step)
  w.bucket = math.floor(w.now / w.step)
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
  w.used = w.used + w.owed
  if w.used + cost > w.limit then fits = false end
end

if #dead > 0 then redis.call('HDEL', KEYS[1], unpack(dead)) end
local written = false
for _, w in ipairs(windows) do
  w.charge = w.owed
  if fits then w.charge = w.charge + cost end
  if w.charge > 0 then
    redis.call('HINCRBY', KEYS[1], string.format('%s:%.0f', w.label, w.bucket), w.charge)
    written = true
  end
end
if written then redis.call('PEXPIRE', KEYS[1], life) end

local answer = { fits and cost or 0 }
for _, w in ipairs(windows) do
  if w.charge > 0 then
    if not w.count[w.bucket] then
      w.count[w.bucket] = 0
      w.buckets[#w.buckets + 1] = w.bucket
    end
    w.count[w.bucket] = w.count[w.bucket] + w.charge
    if fits then w.used = w.used + cost end
  end
  table.sort(w.buckets)
  local surplus, retry, reset = w.used + cost - w.limit, 0, 0
  for _, n in ipairs(w.buckets) do
    if surplus > 0 then
      surplus = surplus - w.count[n]
      retry = (n + w.steps + 1) * w.step - w.now
    end
    reset = (n + w.steps + 1) * w.step - w.now
  end
  answer[#answer + 1] = w.used
  answer[#answer + 1] = retry
  answer[#answer + 1] = reset
end
return answer
