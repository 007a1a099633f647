"""The router's engine: one owner per partition that journals what `router.domain` decides.

The journal (topic `routing.journal`) is the only commit point. `journal` holds its format and the fold rule, `takeover`
makes an owner, `reign` wires what an owner does, `pipeline` appends behind the fence, `publisher` and `projection` let
out what is confirmed.
"""
