"""What the page remembers: a database and a place for files. Nothing acknowledged is lost, nothing deleted stays.

May import: the modules of `web` beside it, `data`, `pictures`, `files`, `errors`.
Public: `Store`, `Token`, `export_corrections`.

- `store`: the one class the other parts use; `corrections`: what people said, as a collection
- `tables`, `migrations/`: the database's form; `database`: its transactions on SQLite and PostgreSQL, its errors
- `blobs`: files under names of their own; `listing`: what a gallery asks; `tokens`: who may come without a session
- `names`: what a visitor may call things

Two orders keep it right at any moment, whoever is killed when: a file is on the disk before the row that names it is
committed, and a row is gone before its file is removed. What a kill leaves between is a file that no row knows, which
`Store.sweep` removes. Each time a content is kept its files get a name never used before, so that a deletion can
never take the file of somebody who uploads the same content at that moment.
"""

from kunstkammer.web.store.corrections import export_corrections
from kunstkammer.web.store.store import Store
from kunstkammer.web.store.tokens import Token

__all__ = ["Store", "Token", "export_corrections"]
