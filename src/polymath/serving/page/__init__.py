"""The page at the server's address: health, latency, robots at work, recorded episodes."""
