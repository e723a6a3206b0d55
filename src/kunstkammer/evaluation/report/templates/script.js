"use strict";
// The page works without this: the switches are plain radio buttons and CSS. What only a script can do is to begin in the
// reader's language, to remember a choice, and to translate attributes, which CSS cannot reach.
(() => {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const remember = (name, value) => { try { localStorage.setItem("kunstkammer-" + name, value); } catch { /* private mode */ } };
  const recall = (name) => { try { return localStorage.getItem("kunstkammer-" + name); } catch { return null; } };
  const translate = (language) => {
    root.lang = language;
    for (const name of ["alt", "title", "aria-label"]) {
      for (const node of document.querySelectorAll(`[data-${name}-${language}]`)) {
        node.setAttribute(name, node.getAttribute(`data-${name}-${language}`));
      }
    }
    for (const node of document.querySelectorAll(`[data-text-${language}]`)) {
      node.textContent = node.getAttribute(`data-text-${language}`);
    }
  };
  const choose = (name, value) => {
    const button = document.getElementById(`${name}-${value}`);
    if (button) { button.checked = true; }
    return Boolean(button);
  };
  const own = (navigator.language || "").toLowerCase().startsWith("de") ? "de" : "en";
  const language = [asked.get("lang"), recall("lang"), own].find((value) => value && choose("lang", value));
  [asked.get("theme"), recall("theme")].find((value) => value && choose("theme", value));
  translate(language || "en");
  document.addEventListener("change", (event) => {
    const { name, value } = event.target;
    if (name === "lang" || name === "theme") { remember(name, value); }
    if (name === "lang") { translate(value); }
  });
})();
