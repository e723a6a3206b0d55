"""Who may come in, how often, and with how much. Each door is a small file; `app` puts them one behind the other.

May import: the modules of `web` beside it, `files`, `errors`.
Public: `identify`, `guard`, `Admin`, `Visitor` and those who sign in and out.

- `watch`: counts, logs, lets no exception through; `headers`: what every answer says; `proxy`: one's own proxy
- `origin`: other hosts' names and other sites' requests; `limits`: how often; `bodies`: how much, how slowly
- `sessions`: the cookie; `admin`: the password; `identity`: what routes depend on (`identify`, `guard`, `Admin`)
- `uploads`: files as they arrive; `names`: their names; `secret`: what signs; `protocol`: slow and too many lines
"""

from kunstkammer.web.doors.identity import Admin, Visitor, guard, identify, owner, require_admin, sign_in, sign_out

__all__ = ["Admin", "Visitor", "guard", "identify", "owner", "require_admin", "sign_in", "sign_out"]
