-- Answer a question.
-- KEYS[1] answers (list)
-- ARGV[1] answer  ARGV[2] it is kept ms
-- returns 1
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
