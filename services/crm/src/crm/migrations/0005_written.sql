-- safe with previous release: no
-- The tables would be: the release before names every column that it writes. But a replica of it that read on would pass
-- over statuses, edits, erasures and moves and commit its position behind them: words that a customer took back would stay.

ALTER TABLE message
  ADD COLUMN subject text,
  ADD COLUMN html text,
  ADD COLUMN quoted text,
  ADD COLUMN in_reply_to text,
  ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN parties jsonb NOT NULL DEFAULT '{}',  -- {from, to, cc, bcc}: addresses
  ADD COLUMN files jsonb NOT NULL DEFAULT '[]';  -- [{blob_id, name, mime, size_bytes, sha256, inline_id}]

-- The interaction that this one goes on from.
ALTER TABLE interaction ADD COLUMN continues text COLLATE "C";
CREATE INDEX interaction_continues ON interaction (tenant_id, continues) WHERE continues IS NOT NULL;

-- How far a message got, as it was told last. A row may be here before its message.
CREATE TABLE message_status (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  status text NOT NULL,
  changed_at_ms bigint NOT NULL,
  reason text,
  detail text,
  PRIMARY KEY (tenant_id, message_id)
) WITH (fillfactor = 70);
SELECT protect_tenants('message_status');

-- What became of a message's words and place since it was told. A row may be here before its message; whoever writes
-- one of the two changes `message` by it, so that whoever reads `message` needs to know nothing of this.
CREATE TABLE message_change (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  edited_at_ms bigint,
  text text,  -- since the edit; none once it is erased
  erased_at_ms bigint,
  moved_at_ms bigint,
  moved_from text,  -- the interaction that it left last
  interaction_id text,  -- where it is since
  number bigint,
  PRIMARY KEY (tenant_id, message_id)
);
SELECT protect_tenants('message_change');

-- Until when the customer of an interaction may be written to freely.
CREATE TABLE interaction_window (
  tenant_id text NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  opens_at_ms bigint NOT NULL,
  closes_at_ms bigint,
  basis text NOT NULL,
  changed_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, interaction_id)
) WITH (fillfactor = 70);
SELECT protect_tenants('interaction_window');
