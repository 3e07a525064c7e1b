"""Parts of requests: options by subject, output paths, and JSON conversion."""
