"""A trained run behind one port: robots ask over WebSockets, probes and pages over HTTP.

adapters/                 how a robot's messages are read (what a checkpoint promises: `polymath.policy.contract`)
service.py                models, connections and their sessions; knows no transport
batching.py               turns of several robots in one pass of the model
protocols/                what a client speaks: openpi's messages, vla-eval's messages
app.py                    paths, keys, handshakes (ASGI)
server.py                 the socket: TLS, limits, a drain on SIGTERM
run.py                    `polymath serve`, from run directories to an open port
"""
