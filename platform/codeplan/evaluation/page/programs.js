// Programs and their verdicts; long lists are made when they are opened.

function textBlock(found, kind) {
  if (found.text === undefined) return [element("p", { class: "left-out", textContent: "This page has no room for its text." })];
  const parts = [element("pre", { class: kind, tabIndex: 0, textContent: visible(found.text) })];
  if (found.more) parts.push(element("p", { class: "left-out", textContent: `${amount(found.more)} more characters are not in this page.` }));
  return parts;
}

function outcomeTitle(program) {
  const title = list.data.outcomes[program.outcome] || program.outcome;
  return program.tests && program.outcome !== "passed" ? `${title}, ${program.tests[0]} of ${program.tests[1]} hidden tests passed` : title;
}

function outcomeMark(program) {
  return element("span", { class: program.outcome === "passed" ? "passed" : "failed", textContent: outcomeTitle(program) });
}

// What is known of a program: notes and its text.
function programBody(program, hasExamples) {
  const parts = [];
  const say = (text) => parts.push(element("p", { class: "quiet", textContent: visible(text) }));
  if (program.dropped) say(`The student was not asked for it: ${program.dropped}. It counts as not solved.`);
  if (hasExamples && !program.dropped) say(`Example tests: ${program.passes ? "all passed" : `${percent(program.fraction)} passed`}.`);
  if (!program.finished && !program.dropped) say("It was cut off by the length limit.");
  if (program.message) say(program.message);
  if (!program.dropped) parts.push(...textBlock(program, "code"));
  return parts;
}

// A part that is made when it is opened for the first time.
function lazy(summary, make, open = false) {
  const part = element("details", { open }, element("summary", {}, ...summary));
  const build = () => { if (part.childElementCount === 1) part.append(...make()); };
  if (open) build();
  else part.addEventListener("toggle", () => { if (part.open) build(); });
  return part;
}

// Distinct programs with how often each was written, those that solve the problem first.
function programList(problem, numbers, hasExamples) {
  const counts = new Map();
  for (const number of numbers) counts.set(number, (counts.get(number) || 0) + 1);
  const order = [...counts.keys()].sort((a, b) => (problem.programs[b].outcome === "passed") - (problem.programs[a].outcome === "passed"));
  return order.map((number) => {
    const program = problem.programs[number];
    const times = counts.get(number) > 1 ? `, ${amount(counts.get(number))} times` : "";
    return lazy([outcomeMark(program), times], () => programBody(program, hasExamples));
  });
}

function solvedOf(problem, numbers) {
  const solved = numbers.filter((number) => problem.programs[number].outcome === "passed").length;
  return `${amount(solved)} of ${amount(numbers.length)} pass the hidden tests`;
}
