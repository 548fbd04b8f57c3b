"""How is an event set up without source code? A page that calibrates, draws, tries limits, checks and saves."""
