"""Policies that are served elsewhere, over openpi's WebSocket protocol or vla-eval's.

    ws://HOST:PORT[/MODEL]        openpi's: any openpi server, and ours, which says what it serves
    vla-eval+ws://HOST:PORT[/…]   vla-eval's

`address.py` reads such a name, `keys.py` is what a server calls its pictures and states. `link.py` is one connection,
`trouble.py` what goes wrong with it, `openpi.py` and `vla_eval.py` are the messages, `policy.py` the policy with its
sessions.
"""
