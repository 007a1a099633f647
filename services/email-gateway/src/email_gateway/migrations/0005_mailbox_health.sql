-- safe with previous release: yes
-- How reading a mailbox goes: messages that are known and not fetched yet; the last failure, by a word.
ALTER TABLE mailbox
  ADD COLUMN waiting bigint,
  ADD COLUMN failed_at_ms bigint,
  ADD COLUMN error text;
