"use strict";
/* A link to a closed part opens it; all parts open and close together; what is printed is what is open. */
(() => {
  function openAround(element) {
    for (let one = element; one; one = one.parentElement) if (one.matches("details")) one.open = true;
  }

  function follow() {
    const id = decodeURIComponent(location.hash.slice(1).split("?")[0]);
    const target = id && document.getElementById(id);
    if (!target) return;
    openAround(target);
    target.hidden = false;
    target.scrollIntoView();
    if (target.matches("details")) target.querySelector("summary").focus({ preventScroll: true });
  }

  const all = document.getElementById("open-parts");
  if (all) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const open = all.getAttribute("aria-expanded") !== "true";
      document.querySelectorAll("details.part").forEach((part) => { part.open = open; });
      all.setAttribute("aria-expanded", String(open));
      all.textContent = open ? "Close all" : "Open all";
    });
  }
  addEventListener("hashchange", follow);
  follow();
})();
