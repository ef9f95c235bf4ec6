"""The composition root: alone knows every room."""
