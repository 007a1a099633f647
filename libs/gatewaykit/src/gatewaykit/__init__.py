"""What gateways share beyond running: conversations, providers, files, sending."""
