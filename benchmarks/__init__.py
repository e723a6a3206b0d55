"""Benchmarks: each file times one job side by side, in the same run, with what a person would use instead.

Run them with `python -m benchmarks.run DATA`; `README.md` says what each one measures.
"""
