"""Pages for people: what the preparation took and left, and what every rule would take."""
