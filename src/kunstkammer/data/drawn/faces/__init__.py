"""Faces with known truth in two domains, as photographs and as drawings: `kunstkammer draw faces`.

May import: `data.drawn`, `registry`, `errors`.
Public: "faces" of the registry kind "drawings" (`collection`).

A *person* (`person`) has an *expression* made of facial action units (`action_units`), which moves *landmarks*
(`landmarks`); these and a *relief* turned by a *pose* (`relief`) give *contours* (`contours`, `hair`). From them an
artist (`artists`) makes a drawing (`drawing`) and a camera (`camera`) a photograph (`photograph`). `collection` makes
many, in pairs.
"""
