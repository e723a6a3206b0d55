"use strict";
// Before anything is painted: what only works with a script is shown, what stands in for it is hidden (parts.css).
document.documentElement.classList.add("js");
