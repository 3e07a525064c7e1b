"""What the subcommands share: flags, progress bars, and what is printed."""
