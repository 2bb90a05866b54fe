"use strict";
/* Elements whose texts are only ever texts: nothing that a model wrote is read as HTML. */
const written = (() => {
  const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  /* A model's text; letters that show nothing, or that turn the text around them, are written out. */
  function untrusted(text) {
    const made = document.createDocumentFragment();
    let from = 0;
    for (const found of text.matchAll(UNSEEN)) {
      const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      made.append(text.slice(from, found.index), element("span", { class: "letter" }, `U+${code}`));
      from = found.index + found[0].length;
    }
    made.append(text.slice(from));
    return made;
  }

  const points = (score) => (score === null || Number.isNaN(score) ? "—" : (100 * score).toFixed(1).replace(/\.0$/, ""));
  const count = (number) => (number === null ? "—" : number.toLocaleString("en"));

  return { element, untrusted, points, count };
})();
