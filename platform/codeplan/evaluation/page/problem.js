// One problem: its question, and by run why a plan was chosen, the arms' answers, the plans and their programs.

let opened = 0;

async function openProblem(row) {
  opened += 1;
  const mine = opened;
  const runs = list.data.runs;
  const found = await Promise.all(runs.map((_, run) => detailsOf(row, run)));
  if (mine !== opened) return; // another problem was opened meanwhile
  const main = byId("problem");
  const parts = [around(row), element("h2", { textContent: visible(row.id) }), element("p", { class: "quiet", textContent: visible(`level ${row.level || "(none)"}, split ${row.split || "(none)"}`) })];
  const first = found.find((details) => details !== null);
  if (first) {
    parts.push(element("h3", { textContent: "Question" }), ...textBlock(first.question, "prose"));
    if (first.starter.text) parts.push(element("h3", { textContent: "Starter code" }), ...textBlock(first.starter, "code"));
  }
  if (runs.length > 1) parts.push(...changesOf(row));
  const sides = found.map((details, run) => element("section", { "aria-label": runs.length > 1 ? `run ${"AB"[run]}` : "run" }, ...side(row, details, run)));
  parts.push(element("div", { class: runs.length > 1 ? "sides" : "sides one" }, ...sides));
  main.replaceChildren(...parts);
  main.dataset.number = row.order + 1;
  byId("list").hidden = true;
  main.hidden = false;
  document.title = row.id;
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function closeProblem() {
  opened += 1;
  const row = current();
  byId("problem").hidden = true;
  byId("list").hidden = false;
  document.title = list.data.runs.length > 1 ? "Two runs, problem by problem" : "Problems, plans and programs";
  const at = list.shown.indexOf(row);
  if (at >= 0) {
    list.page = Math.floor(at / PER_PAGE);
    draw();
    focusRow(at % PER_PAGE);
  }
}

// Links to the list and to the neighbours in it.
function around(row) {
  const at = list.shown.indexOf(row);
  const link = (title, other) => (other ? linkTo(other, title) : "");
  return element("nav", { class: "around", "aria-label": "Problems" },
    linkTo(null, "All problems"), link("Previous", list.shown[at - 1]), link("Next", at >= 0 ? list.shown[at + 1] : undefined),
    at >= 0 ? element("span", { class: "quiet", textContent: `${amount(at + 1)} of ${amount(list.shown.length)}` }) : "");
}

function changesOf(row) {
  const lines = list.data.arms.map((arm, at) => {
    const change = changeOf(row, at);
    return element("tr", {}, element("th", { scope: "row", textContent: list.data.titles[arm] }), ...row.runs.map((run) => outcomeCell(run, at)), element("td", { textContent: change ? CHANGES[change] : "\u2013" }));
  });
  const head = element("tr", {}, ...["arm", "A", "B", "change"].map((title) => element("th", { scope: "col", textContent: title })));
  return [element("h3", { textContent: "What changed" }), element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines)))];
}

function side(row, details, run) {
  const parts = [];
  if (list.data.runs.length > 1) parts.push(element("h2", { textContent: visible(`${"AB"[run]}: ${list.data.runs[run].label}`) }));
  if (details === null) {
    parts.push(element("p", { class: "left-out", textContent: "This page has no room for the details of this problem; codeplan.load_run reads them." }));
    return parts;
  }
  const hasExamples = row.runs[run].score !== null;
  parts.push(element("h3", { textContent: "The choice" }), element("ul", { class: "why" }, ...details.why.map((text) => element("li", { textContent: text }))));
  parts.push(element("h3", { textContent: "Answers" }), ...answers(row, details, run, hasExamples));
  parts.push(element("h3", { textContent: "Plans" }), plansTable(details, run, hasExamples));
  parts.push(element("h3", { textContent: "The teacher's plans" }));
  if (!details.teacher_plans.length) parts.push(element("p", { textContent: "None: no teacher wrote a plan for this problem." }));
  for (const plan of details.teacher_plans) {
    const source = plan.solution < 0 ? "the question alone" : `solution ${plan.solution}`;
    parts.push(element("p", { class: "quiet", textContent: visible(`By ${plan.author}, from ${source}:`) }), ...textBlock(plan, "prose"));
  }
  const groups = [["Programs without a plan", details.sampled], ...Object.entries(details.sampled_code_only).map(([same, numbers]) => [`Programs of the code-only student (same ${same})`, numbers])];
  for (const [title, numbers] of groups) {
    if (numbers.length) parts.push(element("h3", { textContent: title }), lazy([solvedOf(details, numbers)], () => programList(details, numbers, hasExamples)));
  }
  return parts;
}

function answers(row, details, run, hasExamples) {
  const parts = [];
  list.data.arms.forEach((arm, at) => {
    const rate = row.runs[run].rates[at];
    const found = details.answers[arm];
    if (rate === null) return;
    const title = `${list.data.titles[arm]}: `;
    if (!found) {
      parts.push(element("p", {}, title, element("span", { class: rate >= 0.5 ? "passed" : "failed", textContent: percent(rate) }), " solved"));
      return;
    }
    const sorted = [...found].sort((a, b) => b[0] - a[0]);
    const ties = sorted.length > 1 ? ` (${amount(sorted.length)} possible answers; solved with probability ${percent(rate)})` : "";
    parts.push(lazy([title, outcomeMark(details.programs[sorted[0][1]]), ties], () => sorted.flatMap(([probability, number]) => {
      const program = details.programs[number];
      if (sorted.length === 1) return programBody(program, hasExamples);
      return [lazy([`${percent(probability)}: `, outcomeMark(program)], () => programBody(program, hasExamples))];
    })));
  });
  return parts;
}

function plansTable(details, run, hasExamples) {
  const head = ["plan", "text", "trials passing all example tests", "example tests passed", "chosen with", "programs"];
  const order = details.plans.map((_, at) => at).sort((a, b) => details.plans[b].probability - details.plans[a].probability || a - b);
  const lines = order.map((at) => {
    const plan = details.plans[at];
    const note = plan.dropped ? `No program follows it: ${plan.dropped}.` : plan.finished ? "" : "It was cut off by the length limit.";
    const programs = [lazy([`trials: ${solvedOf(details, plan.trials)}`], () => programList(details, plan.trials, hasExamples))];
    if (plan.finals.length) programs.push(lazy([`fresh: ${solvedOf(details, plan.finals)}`], () => programList(details, plan.finals, hasExamples)));
    return element("tr", { class: plan.probability > 0 ? "chosen" : "" },
      element("td", { class: "number", textContent: String(at) }),
      element("td", { class: "plan" }, ...textBlock(plan, "prose"), note ? element("p", { class: "left-out", textContent: visible(note) }) : ""),
      element("td", { class: "number", textContent: hasExamples ? `${plan.passes} of ${list.data.runs[run].trials}` : "\u2013" }),
      element("td", { class: "number", textContent: hasExamples ? percent(plan.fraction) : "\u2013" }),
      element("td", { class: "number", textContent: percent(plan.probability) }),
      element("td", {}, ...programs));
  });
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...head.map((title) => element("th", { scope: "col", textContent: title })))), element("tbody", {}, ...lines)));
}
