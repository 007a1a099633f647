-- safe with previous release: yes
-- Sounds of prompts that are kept as files, and until when: what is still played is kept longer, the rest is removed.
CREATE TABLE prompt_sound (
  tenant_id text NOT NULL,
  blob_id text NOT NULL,
  until_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, blob_id)
);
SELECT protect_tenants('prompt_sound');
CREATE INDEX prompt_sound_until ON prompt_sound (until_ms);
