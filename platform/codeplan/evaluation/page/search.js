// Search in the texts of all problems: every block is expanded, one after the other, and given up again.

// Which texts of a problem hold the words; `where` is "question", "plan", "code" or "" for all.
function holds(found, words, where) {
  const has = (text) => typeof text === "string" && text.toLowerCase().includes(words);
  const any = (items) => items.some((item) => has(item.text));
  if ((where === "" || where === "question") && (has(found.question.text) || has(found.starter.text))) return true;
  if ((where === "" || where === "plan") && (any(found.plans) || any(found.teacher_plans))) return true;
  return (where === "" || where === "code") && any(found.programs);
}

// Calls `report` with the ids found so far and the share of blocks that were read; stops where `stopped` says so.
async function searchTexts(rows, runs, words, where, report, stopped) {
  const ids = new Set();
  const places = new Map();
  for (const row of rows) {
    for (let run = 0; run < runs; run++) {
      const place = row.runs[run].place;
      if (place === null) continue;
      const key = `${run} ${place[0]}`;
      if (!places.has(key)) places.set(key, []);
      places.get(key).push([row, place[1]]);
    }
  }
  let read = 0;
  let reported = performance.now();
  for (const [key, members] of places) {
    if (stopped()) return;
    const [run, number] = key.split(" ").map(Number);
    const problems = await block(run, number);
    for (const [row, at] of members) if (holds(problems[at], words, where)) ids.add(row.id);
    read += 1;
    if (performance.now() - reported > 250) {
      report(ids, read / places.size);
      reported = performance.now();
      await new Promise((resolve) => setTimeout(resolve)); // lets the browser draw and take input
    }
  }
  if (!stopped()) report(ids, 1);
}
