-- safe with previous release: yes
-- Files that came after their message was told: all that it has (JSON, as in `message.files`), and how many of them had
-- come or failed when that was told, which orders what is told.
ALTER TABLE message_change
  ADD COLUMN files text,
  ADD COLUMN files_told bigint NOT NULL DEFAULT 0;
