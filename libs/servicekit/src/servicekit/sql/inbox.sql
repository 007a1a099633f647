-- name: sweep
DELETE FROM inbox WHERE ctid IN (
  SELECT ctid FROM inbox
  WHERE received_at < now() - make_interval(days => :keep_days)
  LIMIT :rows_max
  FOR UPDATE SKIP LOCKED
)
