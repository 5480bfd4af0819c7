"""The ground floor: what every package stands on, and none of them owns."""
