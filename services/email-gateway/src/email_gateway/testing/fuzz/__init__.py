"""Feeds the domain with what nobody would send, and watches time, memory and coverage.

`python -m email_gateway.testing.fuzz --seconds 600`
"""
