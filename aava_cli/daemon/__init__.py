"""The daemon's WebSocket protocol, from the client's side."""
