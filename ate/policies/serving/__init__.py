"""Policies over a websocket, in the protocol of vla-eval: `message`, the `client` that is an actor, the `server`."""
