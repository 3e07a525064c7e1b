"""What requests are made of: options by subject, where results go, and their form as JSON."""
