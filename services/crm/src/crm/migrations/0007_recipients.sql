-- safe with previous release: yes
-- What became of a message for each of several recipients: [{address, status, reason}].
ALTER TABLE message_status ADD COLUMN recipients jsonb NOT NULL DEFAULT '[]';
