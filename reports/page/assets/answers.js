"use strict";
/* What the runs answered. Script elements bring it piece by piece, since a page of a file may fetch nothing. */
const answers = (() => {
  const index = JSON.parse(document.getElementById("data-items").textContent);
  const FLAGS = { unparsed: 1, "cut off": 2, "prompt cut": 4, failed: 8 };
  const waiting = new Map();
  const loading = new Map();
  const built = new Map();

  window.weighbridge = (token, name, part) => {
    if (token === index.token) waiting.get(name)?.push(part);
  };

  function load(name) {
    if (!loading.has(name)) {
      waiting.set(name, []);
      loading.set(name, new Promise((done, failed) => {
        const script = document.createElement("script");
        const file = `${index.folder}/${name}.js`;
        script.onload = () => {
          const parts = waiting.get(name);
          waiting.delete(name);
          script.remove();
          if (parts.length) done(parts);
          else failed(new Error(`${file} belongs to another report; copy the folder ${index.folder} that was written with this page.`));
        };
        script.onerror = () => failed(new Error(`${file} is not there; it must lie beside this page.`));
        script.src = file;
        document.head.append(script);
      }));
    }
    return loading.get(name);
  }

  /* Where a run's column has a question: -1 where it was not asked. */
  function rowsOf(run, count) {
    const rows = new Int32Array(count).fill(-1);
    for (let row = 0; row < run.n; row += 1) rows[run.at ? run.at[row] : row] = row;
    return rows;
  }

  /* One combination: by question its mean score over runs (NaN where it has none), and all its flags together. */
  function combinationOf(runs, count) {
    const scores = new Float64Array(count);
    const scored = new Uint16Array(count);
    const flags = new Uint8Array(count);
    for (const run of runs) {
      for (let row = 0; row < run.n; row += 1) {
        const place = run.at ? run.at[row] : row;
        const score = run.p ? run.p[row] : null;
        if (score !== null) { scores[place] += score; scored[place] += 1; }
        if (run.f) flags[place] |= run.f[row];
      }
      run.rows = rowsOf(run, count);
    }
    for (let place = 0; place < count; place += 1) scores[place] = scored[place] ? scores[place] / scored[place] : NaN;
    return { runs, scores, flags };
  }

  /* Over all combinations, each counting the same: the mean score, the least and the greatest, and all flags. */
  function together(combinations, count) {
    const all = { mean: new Float64Array(count), least: new Float64Array(count), most: new Float64Array(count), flags: new Uint8Array(count) };
    for (let place = 0; place < count; place += 1) {
      let sum = 0, known = 0, least = Infinity, most = -Infinity;
      for (const one of combinations) {
        all.flags[place] |= one.flags[place];
        const score = one.scores[place];
        if (Number.isNaN(score)) continue;
        sum += score; known += 1;
        least = Math.min(least, score); most = Math.max(most, score);
      }
      all.mean[place] = known ? sum / known : NaN;
      all.least[place] = least; all.most[place] = most;
    }
    return all;
  }

  async function build(number) {
    const parts = await load(String(number));
    const { questions: count, together: size } = index.tasks[number];
    const byCombination = new Map();
    for (const part of parts.filter((one) => "c" in one)) {
      if (!byCombination.has(part.c)) byCombination.set(part.c, []);
      byCombination.get(part.c).push(part);
    }
    const about = parts.find((one) => "positions" in one);
    const positions = about.positions || Array.from({ length: count }, (_, place) => place);
    const combinations = new Map([...byCombination].map(([c, runs]) => [c, combinationOf(runs, count)]));
    return {
      number, count, size, positions, combinations,
      questions: about.questions || {},
      textsTogether: about.together,
      ordered: positions.map((_, place) => place).sort((one, other) => positions[one] - positions[other]),
      all: together([...combinations.values()], count),
    };
  }

  /* The scores of a task, of all its questions. */
  function task(number) {
    if (!built.has(number)) built.set(number, build(number));
    return built.get(number);
  }

  /* What some questions ask, as a Map by place: one text, or several where a place had several. */
  async function asked(told, places) {
    const known = places.filter((place) => place in told.questions);
    const blocks = [...new Set(known.map((place) => Math.floor(place / told.textsTogether)))];
    const parts = await Promise.all(blocks.map((block) => load(`${told.number}-q${block}`)));
    return new Map(parts.flat().flatMap((part) => part.q));
  }

  /* All words of all questions of a task, to search in. */
  async function words(told) {
    const found = await asked(told, Object.keys(told.questions).map(Number));
    told.words = new Map([...found].map(([place, several]) => [place, several.flat(2).join("\n").toLowerCase()]));
  }

  /* All answers to one question, and what it asks where that was kept. */
  async function question(told, place) {
    const [parts, texts] = await Promise.all([load(`${told.number}-${Math.floor(place / told.size)}`), asked(told, [place])]);
    const found = { asked: texts.get(place) ?? [], answers: [] };
    for (const part of parts) {
      const row = part.a?.find(([one]) => one === place);
      if (!row) continue;
      const [, answer, extracted, finish, seconds, failed, scores] = row;
      const run = told.combinations.get(part.c).runs.find((one) => one.s === part.s && one.r === part.r);
      const at = run.rows[place];
      found.answers.push({
        c: part.c, session: part.s, run: part.r, answer, finish, seconds, failed,
        extracted: extracted ?? run.x?.[at] ?? "",
        score: run.p?.[at] ?? null,
        flags: run.f?.[at] ?? 0,
        prompt: run.i?.[at] ?? null,
        completion: run.o?.[at] ?? null,
        others: part.o.map((name, place_) => [name, scores[place_]]),
      });
    }
    return found;
  }

  return { index, task, question, words, FLAGS };
})();
