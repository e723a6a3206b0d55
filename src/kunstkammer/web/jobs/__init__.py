"""Work that takes longer than a request: kinds of jobs, the process that does them, and who keeps that process alive.

Knows neither the database nor torch nor HTTP: the store and the desk come through the protocols of `web/house.py`.
"""
