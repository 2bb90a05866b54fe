"use strict";
/* Which questions are shown: by what A and B scored, by how answers ended, and by words. */
const questions = (() => {
  const { FLAGS } = answers;
  const known = (score) => score !== undefined && !Number.isNaN(score);
  const change = (view, place) => {
    const before = view.a?.scores[place], after = view.b?.scores[place];
    return known(before) && known(after) ? after - before : 0;
  };
  const flagged = (flag) => (view, place) => Boolean(((view.a?.flags[place] ?? 0) | (view.b?.flags[place] ?? 0)) & flag);
  const anywhere = (flag) => (view, place) => Boolean(view.task.all.flags[place] & flag);

  const FILTERS = [
    { name: "all", words: "all questions", holds: () => true },
    { name: "flipped", words: "flipped between A and B", pair: true, holds: (view, place) => change(view, place) !== 0 },
    { name: "fell", words: "fell from A to B", pair: true, holds: (view, place) => change(view, place) < 0 },
    { name: "rose", words: "rose from A to B", pair: true, holds: (view, place) => change(view, place) > 0 },
    { name: "unparsed", words: "unparsed in A or B", holds: flagged(FLAGS.unparsed) },
    { name: "cut", words: "cut off in A or B", holds: flagged(FLAGS["cut off"]) },
    { name: "any-unparsed", words: "unparsed anywhere", holds: anywhere(FLAGS.unparsed) },
    { name: "any-cut", words: "cut off anywhere", holds: anywhere(FLAGS["cut off"]) },
    { name: "any-prompt", words: "prompt cut anywhere", holds: anywhere(FLAGS["prompt cut"]) },
    { name: "any-failed", words: "failed anywhere", holds: anywhere(FLAGS.failed) },
    { name: "differ", words: "combinations differ", holds: (view, place) => view.task.all.most[place] > view.task.all.least[place] },
    { name: "none", words: "nobody has any points", holds: (view, place) => view.task.all.most[place] === 0 },
    { name: "every", words: "everybody has all points", holds: (view, place) => view.task.all.least[place] === 1 },
  ];

  /* What was extracted in the runs of a combination, each once. */
  function extracted(combination, place) {
    const found = new Set();
    for (const run of combination?.runs ?? []) {
      const row = run.rows[place];
      if (row >= 0 && run.x) found.add(run.x[row]);
    }
    return [...found];
  }

  function mentions(view, place, words) {
    if (!words) return true;
    if (/^\d+$/.test(words) && view.task.positions[place] === Number(words)) return true;
    if (view.task.words?.get(place)?.includes(words)) return true;
    const texts = [...extracted(view.a, place), ...extracted(view.b, place)];
    return texts.some((text) => text.toLowerCase().includes(words));
  }

  const possible = (view) => FILTERS.filter((one) => !one.pair || (view.a && view.b));

  /* How many questions each filter shows. */
  function counts(view) {
    return possible(view).map((one) => {
      let count = 0;
      for (let place = 0; place < view.task.count; place += 1) if (one.holds(view, place)) count += 1;
      return { ...one, count };
    });
  }

  /* Their places, in the order of the task. */
  function matching(view, name, words) {
    const filter = possible(view).find((one) => one.name === name) ?? FILTERS[0];
    const wanted = words.trim().toLowerCase();
    return view.task.ordered.filter((place) => filter.holds(view, place) && mentions(view, place, wanted));
  }

  return { counts, matching, extracted, change, known };
})();
