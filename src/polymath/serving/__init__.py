"""A trained run behind a port: contract, robot adapters, server, protocols, page."""
