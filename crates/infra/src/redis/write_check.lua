-- Proves that the server takes every command that Alpine needs, on keys of the probe's own.
-- KEYS[1]  a string, KEYS[2]  a hash, KEYS[3]  a stream, all in one slot
-- ARGV[1]  the value to write, ARGV[2]  life of the keys, milliseconds
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('GET', KEYS[1])
redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'n', 1)
redis.call('HINCRBY', KEYS[2], 'n', 1)
redis.call('HLEN', KEYS[2])
redis.call('HGETALL', KEYS[2])
redis.call('HDEL', KEYS[2], 'm')
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'value', ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', '1')
redis.call('XREAD', 'COUNT', '1', 'STREAMS', KEYS[3], '0')
redis.call('TIME')
return 1
