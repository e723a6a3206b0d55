"""Work that takes longer than a request: kinds of jobs, the process that does them, and who keeps that process alive.

Knows neither the database nor torch nor HTTP: the store and the desk come through the protocols of `web/house.py`.
May import: the plain modules of `web` (`house`, `records`, `errors`, `settings`, `maps`), `registry`, `errors`.
Public: `kinds.kind_of_job`, `keeper`, `process`; registry kind "jobs".
"""
