"use strict";
/* The browser of questions: a page of them at a time, so that a hundred thousand are as quick as ten. */
(() => {
  const form = document.getElementById("browser");
  if (!form) return;
  const { element, untrusted, points, count } = written;
  const { index } = answers;
  const ON_A_PAGE = 25;
  const fields = form.elements;
  const region = document.getElementById("browser-region");
  const table = document.getElementById("browser-table");
  const status = document.getElementById("browser-status");
  const pager = document.querySelector(".pager");
  const pageField = pager.querySelector("input");
  let view = null, shown = [], page = 0, asked = 0;

  const option = (value, text) => element("option", { value }, untrusted(text));
  const side = (name) => (fields[name].value === "" ? null : Number(fields[name].value));
  const nameOf = (c) => index.names[c];

  function fill() {
    fields.task.replaceChildren(...index.tasks.map((task, number) => option(number, task.version && index.tasks.filter((one) => one.name === task.name).length > 1 ? `${task.name} (version ${task.version})` : task.name)));
    for (const name of ["a", "b"]) fields[name].replaceChildren(option("", "—"), ...index.order.map((c) => option(c, nameOf(c))));
    fields.a.value = index.first[0] ?? "";
    fields.b.value = index.first[1] ?? "";
    fields.show.replaceChildren(option("all", "all questions"));
  }

  /* The address tells what is shown, so that it can be passed on. */
  function read() {
    const [place, query] = location.hash.slice(1).split("?");
    if (place !== "questions" || query === undefined) return false;
    const told = new URLSearchParams(query);
    const chosen = (name, list) => { const at = list.indexOf(told.get(name)); return at < 0 ? null : String(at); };
    const tasks = index.tasks.map((task) => task.name);
    if (told.has("task")) fields.task.value = chosen("task", tasks) ?? fields.task.value;
    if (told.has("a")) fields.a.value = chosen("a", index.combinations) ?? "";
    if (told.has("b")) fields.b.value = chosen("b", index.combinations) ?? "";
    if (fields.a.value === fields.b.value) fields.b.value = "";
    fields.show.dataset.wanted = told.get("show") ?? "all";
    fields.find.value = told.get("find") ?? "";
    page = Math.max(0, Number(told.get("page") ?? 1) - 1) || 0;
    return true;
  }

  function tell() {
    const told = new URLSearchParams({ task: index.tasks[fields.task.value].name });
    for (const name of ["a", "b"]) if (side(name) !== null) told.set(name, index.combinations[side(name)]);
    if (fields.show.value !== "all") told.set("show", fields.show.value);
    if (fields.find.value) told.set("find", fields.find.value);
    if (page) told.set("page", page + 1);
    try { history.replaceState(null, "", `#questions?${told}`); } catch { /* a browser that keeps addresses of files */ }
  }

  async function choose({ keepPage = false, silent = false } = {}) {
    const turn = (asked += 1);
    status.textContent = "Loading …";
    let task;
    try {
      task = await answers.task(Number(fields.task.value));
    } catch (error) {
      status.textContent = error.message;
      return;
    }
    if (turn !== asked) return;
    if (fields.find.value.trim() && !task.words) {
      status.textContent = "Reading the questions …";
      try { await answers.words(task); } catch (error) { status.textContent = error.message; return; }
      if (turn !== asked) return;
    }
    view = { task, a: task.combinations.get(side("a")), b: task.combinations.get(side("b")) };
    const wanted = fields.show.dataset.wanted ?? fields.show.value;
    delete fields.show.dataset.wanted;
    fields.show.replaceChildren(...questions.counts(view).map((one) => option(one.name, `${one.words} (${count(one.count)})`)));
    fields.show.value = wanted;
    if (fields.show.selectedIndex < 0) fields.show.value = "all";
    shown = questions.matching(view, fields.show.value, fields.find.value);
    turnTo(keepPage ? page : 0, silent);
  }

  function turnTo(number, silent = false) {
    const last = Math.max(0, Math.ceil(shown.length / ON_A_PAGE) - 1);
    page = Math.min(Math.max(0, number), last);
    draw();
    pageField.value = page + 1;
    pageField.max = last + 1;
    pager.querySelector(".of").textContent = `of ${count(last + 1)}`;
    for (const button of pager.querySelectorAll("button")) {
      const back = ["first", "previous"].includes(button.dataset.turn);
      button.setAttribute("aria-disabled", String(back ? page === 0 : page === last));
    }
    region.hidden = pager.hidden = false;
    const from = shown.length ? `, ${count(page * ON_A_PAGE + 1)} to ${count(Math.min(shown.length, (page + 1) * ON_A_PAGE))}` : "";
    status.textContent = `${count(shown.length)} of ${count(view.task.count)} questions${from}`;
    if (!silent) tell();
  }

  function draw() {
    const sides = ["a", "b"].filter((name) => side(name) !== null);
    const both = view.a && view.b;
    const asks = Object.keys(view.task.questions).length > 0;
    const heading = (text, attributes) => element("th", { scope: "col", ...attributes }, untrusted(text));
    const upper = sides.map((name) => element("th", { scope: "colgroup", colspan: 2 }, `${name.toUpperCase()}: `, untrusted(nameOf(side(name)))));
    table.tHead.replaceChildren(
      element("tr", {}, heading("question", { rowspan: 2 }), ...(asks ? [heading("it asks", { rowspan: 2 }), heading("right answer", { rowspan: 2 })] : []), heading("mean of all", { rowspan: 2, class: "right" }), ...upper, both ? heading("change", { rowspan: 2 }) : null),
      element("tr", {}, ...sides.flatMap(() => [heading("score", { class: "right" }), heading("found in the answer")])),
    );
    const places = shown.slice(page * ON_A_PAGE, (page + 1) * ON_A_PAGE);
    table.tBodies[0].replaceChildren(...places.map((place) => row(place, sides, both, asks)));
    region.scrollTop = 0;
  }

  function row(place, sides, both, asks) {
    const number = view.task.positions[place];
    const button = element("button", { type: "button", "aria-expanded": "false", "aria-label": `Question ${number}: all answers` }, String(number));
    const change = both ? questions.change(view, place) : 0;
    const made = element("tr", {},
      element("th", { scope: "row" }, button),
      ...(asks ? beginning(view.task.questions[place]) : []),
      element("td", { class: "right" }, points(view.task.all.mean[place])),
      ...sides.flatMap((name) => cells(view[name], place)),
      both ? element("td", {}, change < 0 ? chip("fell", "fail") : change > 0 ? chip("rose", "pass") : "") : null,
    );
    button.addEventListener("click", () => open(made, button, place));
    return made;
  }

  const unknown = (words) => element("span", { class: "aside" }, words);

  /* How a question begins, and its right answer; what was not kept is said, as an empty cell would be a text too. */
  function beginning(short) {
    if (!short) return [element("td", {}, unknown("not kept")), element("td", {}, unknown("not kept"))];
    return [
      element("td", { class: "asks", dir: "auto" }, short[0] === null ? unknown("has no words") : untrusted(short[0])),
      element("td", { class: "extracted" }, short[1] ? element("bdi", {}, untrusted(short[1])) : unknown("not named")),
    ];
  }

  const chip = (text, kind) => element("span", { class: `chip ${kind}` }, text);
  const chips = (flags) => Object.entries(answers.FLAGS).filter(([, flag]) => flags & flag).map(([name]) => chip(name, "inconclusive"));

  function cells(combination, place) {
    if (!combination) return [element("td", { class: "right" }, "—"), element("td", {}, "—")];
    const texts = questions.extracted(combination, place).flatMap((text, i) => [i ? " | " : "", element("bdi", {}, untrusted(text))]);
    return [
      element("td", { class: combination.scores[place] === 0 ? "right fail" : "right" }, points(combination.scores[place])),
      element("td", { class: "extracted" }, ...texts, " ", ...chips(combination.flags[place])),
    ];
  }

  async function open(under, button, place) {
    const was = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!was));
    if (was) { under.nextElementSibling?.remove(); return; }
    const cell = element("td", { colspan: under.cells.length }, "Loading …");
    const id = `answers-${place}`;
    button.setAttribute("aria-controls", id);
    under.after(element("tr", { class: "detail", id }, cell));
    try {
      details(cell, await answers.question(view.task, place));
    } catch (error) {
      cell.textContent = error.message;
    }
  }

  function details(cell, found) {
    const chosen = [side("a"), side("b")].filter((one) => one !== null);
    const place = (one) => { const at = chosen.indexOf(one.c); return at < 0 ? chosen.length + index.order.indexOf(one.c) : at; };
    const sorted = found.answers.sort((one, other) => place(one) - place(other) || one.run - other.run);
    const first = chosen.length ? sorted.filter((one) => chosen.includes(one.c)) : sorted.slice(0, ON_A_PAGE);
    const rest = sorted.slice(first.length);
    const body = element("tbody", {}, ...first.map(answerRow));
    const heads = ["combination", "run", "score", "extracted", "answer", "tokens in, out", "ended"];
    const numbers = ["run", "score", "tokens in, out"];
    const more = element("button", { type: "button" }, `${count(rest.length)} more answers, of the other combinations`);
    more.addEventListener("click", () => {
      body.append(...rest.splice(0, 200).map(answerRow));
      if (rest.length) more.textContent = `${count(rest.length)} more answers`;
      else more.remove();
    });
    cell.replaceChildren(
      ...(found.asked.length ? found.asked.map(question) : [element("p", { class: "note" }, "What this question asks was not kept in the ledger.")]),
      found.asked.length > 1 ? element("p", { class: "note" }, "Sessions asked these different questions under one number: the data of the task changed.") : "",
      element("table", { class: "answers" }, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col", class: numbers.includes(head) ? "right" : null }, head)))), body),
      rest.length ? more : "",
    );
  }

  /* What is asked, what is chosen between, and what is right. */
  function question([text, options, right]) {
    const words = text === null ? unknown("Its task has no words for this question.") : untrusted(text);
    const choices = options.map((option) => element("li", { class: right.includes(option) ? "right-answer" : null, dir: "auto" }, untrusted(option), ...(right.includes(option) ? [" ", chip("right", "pass")] : [])));
    const others = right.filter((one) => !options.includes(one));
    return element("div", { class: "question" },
      element("p", { dir: "auto" }, words),
      choices.length ? element("ul", { class: "options" }, ...choices) : "",
      ...others.map((one) => element("p", {}, chip("right answer", "pass"), " ", element("bdi", {}, untrusted(one)))),
    );
  }

  function answerRow(told) {
    const others = told.others.filter(([, score]) => score !== null && score !== told.score);
    return element("tr", {},
      element("td", {}, untrusted(nameOf(told.c))),
      element("td", { class: "right", title: told.session }, String(told.run)),
      element("td", { class: "right" }, points(told.score), ...others.map(([name, score]) => element("div", { class: "other" }, untrusted(`${name} ${points(score)}`)))),
      element("td", { class: "extracted" }, element("bdi", {}, untrusted(told.extracted)), " ", ...chips(told.flags)),
      element("td", {}, told.failed === null ? answer(told.answer) : element("p", { class: "fail" }, untrusted(told.failed))),
      element("td", { class: "right" }, `${count(told.prompt)}, ${count(told.completion)}`),
      element("td", {}, untrusted(told.finish || "—")),
    );
  }

  function answer(text) {
    const [head, leftOut, tail] = Array.isArray(text) ? text : [text];
    const note = leftOut ? element("span", { class: "left-out" }, ` … ${count(leftOut)} letters are only in the ledger … `) : "";
    return element("pre", { class: "answer", dir: "auto", tabindex: "0" }, untrusted(leftOut ? head : head.trimEnd()), note, untrusted((tail ?? "").trimEnd()));
  }

  function start() {
    fill();
    form.hidden = false;
    const told = read();
    choose({ keepPage: true, silent: !told });
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["task", "a", "b", "show"]) fields[name].addEventListener("change", () => choose());
  let typing = 0;
  fields.find.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(choose, 150); });
  pageField.addEventListener("change", () => turnTo(Number(pageField.value) - 1 || 0));
  pager.addEventListener("click", (event) => {
    const turn = event.target.closest("button")?.dataset.turn;
    if (turn) turnTo({ first: 0, previous: page - 1, next: page + 1, last: Infinity }[turn]);
  });
  /* Nothing is loaded before somebody comes near. */
  const near = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { near.disconnect(); start(); }
  }, { rootMargin: "300px" });
  near.observe(document.getElementById("questions"));
  addEventListener("hashchange", () => { if (!form.hidden && read()) choose({ keepPage: true }); });
})();
