"use strict";
/* Runs before anything is drawn, so that a page in the dark never flashes. */
const theme = {
  kept() {
    try { return localStorage.getItem("weighbridge-theme") || ""; } catch { return ""; }
  },
  set(name) {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    try { localStorage.setItem("weighbridge-theme", name); } catch { /* a browser that keeps nothing for files */ }
    document.dispatchEvent(new Event("themechange"));
  },
  dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
};
if (theme.kept()) document.documentElement.dataset.theme = theme.kept();
document.documentElement.classList.add("scripted");
