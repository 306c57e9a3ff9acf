"""The Jupyter Server side: what a browser sees of the engine, behind Jupyter's login.

app          the extension: what happens at load, start and stop
config       its settings, as traits; declared: the tunnels that they declare
engine       the engine that this server holds
follower     the server as its client; statuses: what is known of the tunnels
events       news of them on Jupyter's event bus (schema: tunnel_event.yaml)
handlers     REST: what all routes share; routes: what each one does; bodies: their dataclasses
openapi      the description of REST, made from these
views/       remote applications in the browser
"""
