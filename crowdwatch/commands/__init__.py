"""What can a person type? The command line, one module a group of commands."""
