"use strict";
/* Pictures become drawings with tooltips when a reader comes near them; without the libraries they stay pictures. */
(() => {
  let told = JSON.parse(document.getElementById("data-figures").textContent);
  const places = [...document.querySelectorAll("[data-figure]")];
  if (!places.length) return;
  let loading = null;
  const drawn = new Map();

  function libraries() {
    const inside = document.getElementById("libraries");
    const script = document.createElement("script");
    if (inside) {
      script.textContent = inside.textContent;
      document.head.append(script);
      return Promise.resolve();
    }
    return new Promise((done, failed) => {
      script.onload = () => { told = window.weighbridgeFigures; done(); };
      script.onerror = () => failed(new Error("report-items/figures.js is not there"));
      script.src = "report-items/figures.js";
      document.head.append(script);
    });
  }

  async function draw(place) {
    loading ||= libraries();
    await loading;
    const inner = document.createElement("div");
    inner.className = "vega";
    const spec = { ...told.specs[place.dataset.figure], config: theme.dark() ? told.dark : told.light };
    /* `ast`: expressions are interpreted and not compiled, which the page's policy forbids. */
    const options = { actions: false, ast: true, logLevel: 1, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    const before = drawn.get(place);
    const made = await vegaEmbed(inner, spec, options);
    const picture = place.querySelector("img");
    inner.setAttribute("role", "img");
    inner.setAttribute("aria-label", picture.alt);
    place.querySelectorAll(".vega").forEach((one) => one.remove());
    before?.finalize();
    picture.hidden = true;
    place.append(inner);
    drawn.set(place, made);
  }

  function drawAll(some) {
    some.reduce((before, place) => before.then(() => draw(place)), Promise.resolve()).catch((error) => {
      console.warn("figures stay pictures:", error.message);
    });
  }

  const near = new IntersectionObserver((entries) => {
    const come = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    come.forEach((place) => near.unobserve(place));
    if (come.length) drawAll(come);
  }, { rootMargin: "200px" });
  const later = window.requestIdleCallback || ((act) => setTimeout(act, 50));
  later(() => places.forEach((place) => near.observe(place)));
  document.addEventListener("themechange", () => drawAll([...drawn.keys()]));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll([...drawn.keys()]));
})();
