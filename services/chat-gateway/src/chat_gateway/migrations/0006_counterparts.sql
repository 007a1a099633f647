-- safe with previous release: no
-- Conversations with who writes by a provider. The release before would hand no agent's message to a provider, and end
-- such a conversation because nobody is connected. Identifiers, files and the window are JSON:
-- [{type, value, verified}], [{blob_id, name, mime, size_bytes, sha256, inline_id}], {opens_at_ms, closes_at_ms, basis}.
ALTER TABLE conversation
  ADD COLUMN counterpart text,
  ADD COLUMN identifiers text NOT NULL DEFAULT '[]',
  ADD COLUMN subject text,
  ADD COLUMN continues text,
  ADD COLUMN reopen_seconds integer NOT NULL DEFAULT 0,
  ADD COLUMN reply_window text,
  ADD COLUMN ended_at_ms bigint;
-- Two first messages at once make one conversation: the second to come joins it.
CREATE UNIQUE INDEX conversation_open ON conversation (tenant_id, address, counterpart)
  WHERE counterpart IS NOT NULL AND state <> 'ended';
CREATE INDEX conversation_ended ON conversation (tenant_id, address, counterpart, ended_at_ms)
  WHERE counterpart IS NOT NULL AND state = 'ended';

-- The address stands here as well, because providers' ids are unique within it.
ALTER TABLE message
  ADD COLUMN address text,
  ADD COLUMN provider_message_id text,
  ADD COLUMN files text NOT NULL DEFAULT '[]',
  ADD COLUMN html text,
  ADD COLUMN edited_at_ms bigint,
  ADD COLUMN erased_at_ms bigint;
CREATE UNIQUE INDEX message_provider ON message (tenant_id, address, provider_message_id)
  WHERE provider_message_id IS NOT NULL;
