"""What a person sees: pages that work without JavaScript, and better with it. They call the functions of `api/`.

May import: `web.api`, `web.doors` and the modules of `web` beside it, `evaluation`, `errors`.
Public: `routes`.

- `routes`: all of them together; `home`, `pictures`, `lists`, `models`, `review`, `admin`, `other`: one for each kind
- `frame`: what every page needs; `language`: every visible word (words/en.yaml, de.yaml); `assets`: files of static/
- `figures`: the figures of a model card, and Markdown; `problem_pages`: errors for people
"""
