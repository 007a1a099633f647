"""Test fixtures and fakes for services; the pytest plugin is `servicekit.testing.plugin`."""
