"""What the CRM decides, without any effect: who a customer is, what an interaction and a task have become."""
