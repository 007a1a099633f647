-- safe with previous release: yes
-- What became of a message for each of several recipients stands in gatewaykit's table `outgoing`; no release wrote here.
DROP TABLE recipient_result;
