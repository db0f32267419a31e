"""Area, contrast and their uncertainty."""
