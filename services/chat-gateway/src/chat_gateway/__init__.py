"""The web chat's gateway: turns what visitors write into events, and agents' answers into frames on their sockets."""
