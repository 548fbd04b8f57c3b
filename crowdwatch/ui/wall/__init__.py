"""What does the commander see from three metres away? One screen, one moment, no scrolling."""
