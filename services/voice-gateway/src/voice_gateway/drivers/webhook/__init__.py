"""Webhook telephony in Twilio's shape: it asks by HTTP what a call is to do, and is told by REST what to do else."""
