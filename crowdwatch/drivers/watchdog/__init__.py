"""The dead man's switch: a process beside the engine that tells people when the engine of an event lives no more."""
