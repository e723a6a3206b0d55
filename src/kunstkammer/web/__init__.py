"""The page and the API: nothing but HTTP over the rooms below. docs/architecture.md has the interfaces.

May import: anything below `web`.
Public: `serve.serve`; `app` is the ASGI application.

- `settings`: everything a server can be told
- `records`: what goes between the parts of this room; `errors`: what can go wrong between them
- `store/`: what is remembered: a database and a place for files; nothing acknowledged is lost, nothing deleted stays
- `inference/`: what answers: decoding in processes that may die, batches over all visitors, explanation, neighbours
- `doors/`: who may come in: sessions, tokens, limits, headers
- `api/`: /api/v1; `pages/`: what a person sees
- `house`: the parts together; `app`: the ASGI application; `serve`: that application on a port
"""
