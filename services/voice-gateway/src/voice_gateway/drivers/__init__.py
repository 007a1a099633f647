"""Nodes of telephony behind one protocol (`domain/driver.py`): each is asked the same and tells the same."""
