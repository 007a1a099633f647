-- safe with previous release: no
-- Which medium the conversation uses; until now every one was a web chat.
ALTER TABLE conversation ADD COLUMN channel text NOT NULL DEFAULT 'webchat';
ALTER TABLE conversation ALTER COLUMN channel DROP DEFAULT;
