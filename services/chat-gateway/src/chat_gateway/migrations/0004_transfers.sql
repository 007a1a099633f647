-- safe with previous release: yes
-- Agents whom transfers bring in beside the owner (JSON: [{assignment_id, task_id, agent_id, agent_name, role}]), tasks
-- that are put by, why the router gave one up, and what the gateway itself says. An internal message takes a number and
-- is no word to the customer, so numbers no longer tell since when it is for the customer to speak.
ALTER TABLE conversation
  ADD COLUMN helpers text NOT NULL DEFAULT '[]',
  ADD COLUMN parked boolean NOT NULL DEFAULT false,
  ADD COLUMN end_cause text,
  ADD COLUMN unanswered_since_ms bigint;
ALTER TABLE message DROP CONSTRAINT message_sender_check;
ALTER TABLE message ADD CONSTRAINT message_sender_check CHECK (sender IN ('customer', 'agent', 'system'));

-- Bands go before priorities.
ALTER TABLE line_task
  ADD COLUMN band integer NOT NULL DEFAULT 0,
  ADD COLUMN expected_at_ms bigint;
