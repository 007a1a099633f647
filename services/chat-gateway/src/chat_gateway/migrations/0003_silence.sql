-- safe with previous release: yes
-- After how much silence the customer takes no capacity of the agent, and whether that was said to the router.
ALTER TABLE conversation ADD COLUMN idle_release_seconds integer;
ALTER TABLE conversation ADD COLUMN silent boolean NOT NULL DEFAULT false;
