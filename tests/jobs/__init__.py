"""What runs beside the sessions."""
