-- safe with previous release: yes
-- Whether the router wants to know of the owner's first message.
ALTER TABLE conversation ADD COLUMN awaits_answer boolean NOT NULL DEFAULT false;
