"""What people made of films: labels, findings, links, history, signature, autosave."""
