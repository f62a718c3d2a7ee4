// The index: a table of problems, filtered, sorted, and shown a page at a time.

const PER_PAGE = 100;
const list = { data: null, shown: [], page: 0, sort: { key: "order", down: false }, search: 0, texts: null };
const byId = (id) => document.getElementById(id);

function startList(data) {
  list.data = data;
  data.rows.forEach((row, order) => { row.order = order; });
  fill(byId("level"), distinct((row) => row.level));
  fill(byId("split"), distinct((row) => row.split));
  byId("arm").append(...data.arms.map((arm, at) => option(at, data.titles[arm])));
  byId("arm").value = Math.max(0, data.arms.indexOf("codeplan"));
  const ends = Object.entries(data.outcomes).filter(([name]) => name !== "passed").map(([name, title]) => option(name, title));
  byId("outcome").append(option("", "all"), option("solved", "solved"), option("unsolved", "not solved"), option("tie", "decided by a tie"), ...ends);
  byId("score").max = Math.max(...data.runs.map((run) => run.trials));
  if (data.runs.length > 1) startChanges();
  byId("filters").addEventListener("input", (event) => (event.target.id === "text" || event.target.id === "where" ? search() : refresh()));
  byId("filters").addEventListener("submit", (event) => { event.preventDefault(); focusRow(0); });
  byId("filters").addEventListener("reset", () => setTimeout(() => { byId("arm").value = Math.max(0, data.arms.indexOf("codeplan")); search(); }));
  refresh();
}

function option(value, title) {
  return element("option", { value, textContent: visible(title) || "(none)" });
}

function distinct(of) {
  return [...new Set(list.data.rows.map(of))].sort();
}

function fill(select, values) {
  select.append(...values.map((value) => option(`=${value}`, value)));
}

// The rate of the selected arm, of one run.
function rate(row, run = 0) {
  return row.runs[run].rates[Number(byId("arm").value)];
}

function accepts(row) {
  const [level, split, outcome, least] = ["level", "split", "outcome", "score"].map((id) => byId(id).value);
  if (level && level !== `=${row.level}`) return false;
  if (split && split !== `=${row.split}`) return false;
  if (outcome && !row.runs.some((_, run) => ended(row, run, outcome))) return false;
  if (least !== "" && !row.runs.some((run) => run.score !== null && run.score[0] >= Number(least))) return false;
  if (list.data.runs.length > 1 && byId("change").value && changeOf(row, Number(byId("arm").value)) !== byId("change").value) return false;
  const words = byId("text").value.trim().toLowerCase();
  return !words || row.id.toLowerCase().includes(words) || (list.texts !== null && list.texts.has(row.id));
}

function ended(row, run, outcome) {
  const found = rate(row, run);
  if (found === null) return false;
  if (outcome === "solved") return found >= 0.9999;
  if (outcome === "unsolved") return found <= 0.0001;
  if (outcome === "tie") return found > 0.0001 && found < 0.9999;
  return row.runs[run].outcomes[Number(byId("arm").value)] === outcome;
}

const KEYS = {
  order: (row) => row.order,
  id: (row) => row.id,
  level: (row) => row.level,
  split: (row) => row.split,
  score: (row) => (row.runs[0].score === null ? -1 : row.runs[0].score[0] + row.runs[0].score[1]),
};

function refresh() {
  const { key, down } = list.sort;
  const of = KEYS[key] || ((row) => row.runs[key.run].rates[key.arm] ?? -1);
  const compared = (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);
  list.shown = list.data.rows.filter(accepts).sort((a, b) => (down ? compared(b, a) : compared(a, b)) || a.order - b.order);
  list.page = 0;
  draw();
}

function search() {
  list.search += 1;
  const mine = list.search;
  const words = byId("text").value.trim().toLowerCase();
  list.texts = null;
  list.progress = words ? 0 : 1;
  refresh();
  if (!words) return;
  setTimeout(() => {
    if (mine !== list.search) return;
    const report = (ids, share) => { list.texts = new Set(ids); list.progress = share; const page = list.page; refresh(); list.page = page; draw(); };
    searchTexts(list.data.rows, list.data.runs.length, words, byId("where").value, report, () => mine !== list.search).catch(fail);
  }, 200);
}

function draw() {
  const pages = Math.max(1, Math.ceil(list.shown.length / PER_PAGE));
  list.page = Math.min(list.page, pages - 1);
  const start = list.page * PER_PAGE;
  const searching = list.progress < 1 ? `; searching the texts, ${Math.floor(100 * list.progress)} % read` : "";
  byId("status").textContent = `${amount(list.shown.length)} of ${amount(list.data.rows.length)} problems${searching}`;
  document.querySelector("#table thead").replaceChildren(head());
  document.querySelector("#table tbody").replaceChildren(...list.shown.slice(start, start + PER_PAGE).map(line));
  const turn = (title, page) => element("button", { type: "button", textContent: title, disabled: page < 0 || page >= pages, onclick: () => { list.page = page; draw(); focusRow(0); } });
  byId("pages").replaceChildren(turn("Previous", list.page - 1), `page ${amount(list.page + 1)} of ${amount(pages)}`, turn("Next", list.page + 1));
}

function head() {
  const columns = [["order", "#"], ["id", "problem"], ["level", "level"], ["split", "split"], ["score", "plan score"]];
  const row = element("tr", {}, ...columns.map(([key, title]) => heading(key, title, key === list.sort.key)));
  for (const at of [0, 3]) row.cells[at].className = "minor"; // of least use on a narrow screen
  const { arms, titles, runs } = list.data;
  arms.forEach((arm, at) => runs.forEach((_, run) => {
    const title = runs.length > 1 ? `${titles[arm]}, ${"AB"[run]}` : titles[arm];
    const cell = heading({ arm: at, run }, title, list.sort.key.arm === at && list.sort.key.run === run);
    if (at !== Number(byId("arm").value)) cell.className = "other";
    row.append(cell);
  }));
  return row;
}

function heading(key, title, sorted) {
  const button = element("button", { type: "button", textContent: title, onclick: () => {
    list.sort = { key, down: sorted ? !list.sort.down : typeof key !== "string" || key === "score" };
    refresh();
  } });
  return element("th", { scope: "col", "aria-sort": sorted ? (list.sort.down ? "descending" : "ascending") : "none" }, button);
}

// A link to a problem, by its number: an id may be any text. Without a row, a link to the list.
function linkTo(row, textContent) {
  const link = element("a", { textContent, href: row ? `#problem=${row.order + 1}` : "#" });
  link.dataset.problem = row ? row.order + 1 : "";
  return link;
}

function line(row) {
  const score = (run) => (run.score === null ? "no example tests" : `${run.score[0]} of ${list.data.runs[row.runs.indexOf(run)].trials}`);
  const link = linkTo(row, visible(row.id));
  const cells = [
    element("td", { class: "number minor", textContent: amount(row.order + 1) }),
    element("td", { class: "name" }, link, element("small", { textContent: visible(row.line) })),
    element("td", { textContent: visible(row.level) }),
    element("td", { class: "minor", textContent: visible(row.split) }),
    element("td", { class: "number", textContent: row.runs.map(score).join(" / ") }),
  ];
  list.data.arms.forEach((_, at) => row.runs.forEach((run) => {
    const cell = outcomeCell(run, at);
    if (at !== Number(byId("arm").value)) cell.classList.add("other");
    cells.push(cell);
  }));
  return element("tr", {}, ...cells);
}

function outcomeCell(run, at) {
  const [found, outcome] = [run.rates[at], run.outcomes[at]];
  if (found === null) return element("td", { class: "number", textContent: "\u2013" });
  const title = found >= 0.9999 ? "solved" : found <= 0.0001 ? list.data.outcomes[outcome] || "not solved" : percent(found);
  return element("td", { class: `number ${found >= 0.5 ? "passed" : "failed"}`, textContent: title });
}

function rowLinks() {
  return [...document.querySelectorAll("#table tbody a")];
}

function focusRow(at) {
  const links = rowLinks();
  if (links.length) links[Math.max(0, Math.min(at, links.length - 1))].focus();
}

// Moves the focus by rows, over the ends of pages.
function moveFocus(step) {
  const at = rowLinks().indexOf(document.activeElement);
  const pages = Math.ceil(list.shown.length / PER_PAGE);
  if (at >= 0 && at + step >= PER_PAGE && list.page + 1 < pages) {
    list.page += 1;
    draw();
    focusRow(0);
  } else if (at === 0 && step < 0 && list.page > 0) {
    list.page -= 1;
    draw();
    focusRow(PER_PAGE - 1);
  } else focusRow(at < 0 ? 0 : at + step);
}

// Two runs: what became of each problem, arm by arm.

const CHANGES = { only_a: "solved by A only", only_b: "solved by B only", more_a: "more likely by A", more_b: "more likely by B", same: "equal" };

function changeOf(row, arm) {
  const [a, b] = row.runs.map((run) => run.rates[arm]);
  if (a === null || b === null) return "";
  if (Math.abs(a - b) < 0.0001) return "same";
  if (a >= 0.9999 && b <= 0.0001) return "only_a";
  if (b >= 0.9999 && a <= 0.0001) return "only_b";
  return a > b ? "more_a" : "more_b";
}

function startChanges() {
  byId("change-label").hidden = false;
  byId("change").append(option("", "all"), ...Object.entries(CHANGES).map(([key, title]) => option(key, title)));
  const names = Object.keys(CHANGES);
  const head = element("tr", {}, ...["arm", ...Object.values(CHANGES)].map((title) => element("th", { scope: "col", textContent: title })));
  const lines = list.data.arms.map((arm, at) => {
    const counts = Object.fromEntries(names.map((name) => [name, 0]));
    for (const row of list.data.rows) if (changeOf(row, at)) counts[changeOf(row, at)] += 1;
    const show = (name) => element("button", { type: "button", textContent: amount(counts[name]), "aria-label": `${list.data.titles[arm]}: ${counts[name]} ${CHANGES[name]}; show them`, onclick: () => {
      byId("arm").value = at;
      byId("change").value = name;
      refresh();
      focusRow(0);
    } });
    return element("tr", {}, element("th", { scope: "row", textContent: list.data.titles[arm] }), ...names.map((name) => element("td", { class: "number" }, show(name))));
  });
  byId("changes").replaceChildren(element("h2", { textContent: "What changed" }), element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines))));
}
