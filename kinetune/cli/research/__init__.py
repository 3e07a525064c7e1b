"""Subcommands for research: metrics and listening tests."""
