-- safe with previous release: yes
-- What became of a part for each of several recipients: JSON (Recipient of gatewaykit.domain.recipients), personal.
ALTER TABLE outgoing ADD COLUMN recipients text;
