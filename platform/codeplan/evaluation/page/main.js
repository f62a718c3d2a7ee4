// Starts the page, follows its address, and takes keys.

const TYPING = new Set(["INPUT", "SELECT", "TEXTAREA"]);
const SCROLLING = new Set(["PRE", "SUMMARY"]);

function fail(error) {
  byId("status").textContent = `This page does not work here: ${error.message}`;
  throw error;
}

// The problem that the address names; undefined for the list.
function current() {
  return list.data.rows[list.open - 1];
}

function show(number) {
  if (!number && !byId("problem").hidden) closeProblem();
  list.open = number;
  if (current()) openProblem(current()).catch(fail);
}

// Where the address says to be; the state of the browser's history says it where an address cannot.
function follow() {
  const found = /^#problem=(\d+)$/.exec(location.hash);
  show(history.state ? history.state.problem : found ? Number(found[1]) : 0);
}

// Goes to a problem, or with 0 to the list. MLflow shows the page from a blob: address in a frame that may not navigate,
// not even to another part of itself; an entry in the history without an address is allowed there, too.
function go(number) {
  const address = number ? `#problem=${number}` : "#";
  history.pushState({ problem: number }, "", location.protocol === "blob:" ? undefined : address);
  show(number);
}

function click(event) {
  const link = event.target.closest("a[data-problem]");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(Number(link.dataset.problem));
}

function turn(step) {
  const other = list.shown[list.shown.indexOf(current()) + step];
  if (other) go(other.order + 1);
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inProblem = !byId("problem").hidden;
  const typing = TYPING.has(event.target.tagName);
  if (event.key === "Escape") {
    if (inProblem) go(0);
    else if (typing) focusRow(0);
    return;
  }
  if (typing) return;
  const step = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const sideways = event.key === "ArrowRight" || event.key === "ArrowLeft";
  const vertical = event.key === "ArrowDown" || event.key === "ArrowUp";
  if (event.key === "/") {
    event.preventDefault();
    if (inProblem) go(0);
    setTimeout(() => byId("text").focus());
  } else if (step && inProblem && !vertical && !(sideways && SCROLLING.has(event.target.tagName))) {
    event.preventDefault();
    turn(step);
  } else if (step && !inProblem && !sideways) {
    event.preventDefault();
    moveFocus(step);
  }
}

unpack(byId("index").textContent).then((data) => {
  startList(data);
  window.addEventListener("popstate", follow);
  document.addEventListener("click", click);
  document.addEventListener("keydown", key);
  follow();
  document.documentElement.dataset.ready = Math.round(performance.now());
}).catch(fail);
