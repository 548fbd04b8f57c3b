"""What runs for hours on live cameras: the event stream by the clock, what survives a kill, and the driver."""
