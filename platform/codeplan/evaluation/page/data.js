"use strict";
// What the page holds: the index, and the details of problems in compressed blocks. Nothing is loaded from elsewhere.

// The text of a data block of the page: base64 of gzip of JSON.
async function unpack(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// The blocks come after this script: a reader can use the index before the browser has read them.
const wholePage = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
  else resolve();
});

const KEPT_BLOCKS = 6; // in memory at a time: a block may be megabytes of text
const expanded = new Map();

// A block of a run's details: a list of problems.
async function block(run, number) {
  const name = `chunk-${run}-${number}`;
  if (expanded.has(name)) {
    const found = expanded.get(name);
    expanded.delete(name); // put last, as the one used most recently
    expanded.set(name, found);
    return found;
  }
  let part = document.getElementById(name);
  if (part === null || part.nextSibling === null) { // not there yet, or perhaps not to its end
    await wholePage;
    part = document.getElementById(name);
  }
  if (part === null) throw new Error(`this page is cut off: it lacks its part ${name}`);
  const found = unpack(part.textContent);
  expanded.set(name, found);
  if (expanded.size > KEPT_BLOCKS) expanded.delete(expanded.keys().next().value);
  return found;
}

// The details of a row for a run; null where the page has no room for them.
async function detailsOf(row, run) {
  const place = row.runs[run].place;
  return place === null ? null : (await block(run, place[0]))[place[1]];
}

// Elements are made by name and text: no text is ever parsed as HTML.
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("aria-") || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

// Control characters, and those that change the direction of text, are shown by their code.
function visible(text) {
  return text.replace(/\r\n/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu, (sign) =>
    `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function percent(share) {
  return share === null || share === undefined ? "\u2013" : `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)} %`;
}

function amount(number) {
  return number.toLocaleString("en");
}
