-- safe with previous release: no
-- The tables would be. But a replica of it that read on would pass over what happens on calls and commit its position behind it.

-- What happened on calls, by the events that told of it; `number` is the place in the conversation, `told` has those
-- fields that people may want. `confidential`: not for agents, who are not told who listens to them.
CREATE TABLE call_step (
  tenant_id text NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  type text NOT NULL,
  at_ms bigint NOT NULL,
  told jsonb NOT NULL,
  confidential boolean NOT NULL,
  PRIMARY KEY (tenant_id, interaction_id, event_id)
);
SELECT protect_tenants('call_step');

-- What was said on a call, as an integrator wrote it down last.
CREATE TABLE transcript (
  tenant_id text NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  transcript_id text COLLATE "C" NOT NULL,
  recording_id text,
  language text NOT NULL,
  attached_at_ms bigint NOT NULL,
  text text,
  segments jsonb NOT NULL,  -- [{from_ms, to_ms, party, text}]
  PRIMARY KEY (tenant_id, interaction_id, transcript_id)
);
SELECT protect_tenants('transcript');
