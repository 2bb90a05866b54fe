"use strict";
/* Tables that sort by a heading and show only the rows that have some words; and the switch of the theme. */
(() => {
  const compareTexts = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

  /* What a cell is sorted by: its first number, a duration in seconds, or null where nothing is known. */
  function numberOf(text) {
    const duration = text.match(/^(?:(\d+):)?(\d+):(\d\d)\b/);
    if (duration) return 3600 * (duration[1] || 0) + 60 * duration[2] + Number(duration[3]);
    const found = text.replaceAll(",", "").match(/[+\-−]?\d+(?:\.\d+)?(?:e[+-]?\d+)?/i);
    return found ? Number(found[0].replace("−", "-")) : null;
  }

  function keyOf(cell, isNumber) {
    const text = cell.textContent.trim();
    if (text === "—" || text === "") return null;
    return isNumber ? numberOf(text) : text;
  }

  /* The unknown stays last, whichever way the others are sorted. */
  function order(isNumber, way) {
    return (one, other) => {
      if (one.key === null || other.key === null) return (one.key === null) - (other.key === null);
      return way * (isNumber ? one.key - other.key : compareTexts(one.key, other.key));
    };
  }

  /* Rows that begin with nothing belong to the one above them and stay below it. */
  function grouped(rows) {
    const groups = [];
    for (const row of rows) {
      if (groups.length && row.matches("tr") && row.cells[0].textContent.trim() === "") groups.at(-1).push(row);
      else groups.push([row]);
    }
    return groups;
  }

  function sort(table, heading) {
    const was = heading.getAttribute("aria-sort");
    const isNumber = heading.classList.contains("right");
    /* Numbers begin with the largest, words with the first. */
    const first = isNumber && heading.textContent.trim() !== "rank" ? "descending" : "ascending";
    const way = was === null ? first : was === "ascending" ? "descending" : "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", way);
    const body = table.tBodies[0];
    const groups = grouped(body.rows).map((rows) => ({ rows, key: keyOf(rows[0].cells[heading.cellIndex], isNumber) }));
    groups.sort(order(isNumber, way === "ascending" ? 1 : -1));
    body.append(...groups.flatMap(({ rows }) => rows));
  }

  function makeSortable(table) {
    if (table.tBodies[0].rows.length < 2) return;
    for (const heading of table.tHead.rows[0].cells) {
      if (heading.classList.contains("drawn")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading));
    }
  }

  function makeFilter(input) {
    const id = input.dataset.filters;
    const place = document.getElementById(id);
    const all = () => (place.matches("#parts") ? place.children : place.querySelector("tbody").rows);
    const texts = new Map();
    const counted = document.querySelector(`[data-counts="${id}"]`);
    const total = counted.textContent;
    const textOf = (row) => (row.matches("details") ? `${row.querySelector("summary").textContent} ${row.querySelector(".id").textContent}` : row.textContent);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      for (const rows of grouped(all())) {
        if (!texts.has(rows[0])) texts.set(rows[0], rows.map(textOf).join(" ").toLowerCase());
        const hidden = !words.every((word) => texts.get(rows[0]).includes(word));
        rows.forEach((row) => { row.hidden = hidden; });
        found += hidden ? 0 : rows.length;
      }
      counted.textContent = words.length ? `${found} of ${total}` : total;
    });
  }

  const select = document.getElementById("theme");
  select.value = theme.kept();
  select.parentNode.hidden = false;
  select.addEventListener("change", () => theme.set(select.value));
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll("input[data-filters]").forEach(makeFilter);
})();
