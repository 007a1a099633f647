-- safe with previous release: yes
-- Whoever joins two conversations gives the ids of the one thread to the other.
CREATE INDEX mail_message_thread ON mail_message (tenant_id, address, thread) WHERE thread IS NOT NULL;
