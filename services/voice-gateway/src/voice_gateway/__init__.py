"""The gateway of e-mail: turns what customers write into events, and agents' answers into messages."""
