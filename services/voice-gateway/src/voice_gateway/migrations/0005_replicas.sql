-- safe with previous release: yes
-- Where other replicas reach the owner.
ALTER TABLE node ADD COLUMN url text;
