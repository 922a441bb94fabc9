// The list of sessions, as it changes.

import { follow, showStatus, startClock, submitInBackground } from "./desk.js";

const list = document.querySelector("#rows");
const template = document.querySelector("#row");
const announcement = document.querySelector("#announcement");
const items = new Map();

follow("/events", ({ is_whole, rows }) => {
  if (is_whole) {
    const names = new Set(rows.map((row) => row.id));
    for (const [id, item] of items) if (!names.has(id)) remove(id, item);
  }
  rows.forEach(show);
  document.querySelector("#empty").hidden = items.size > 0;
});

function show(row) {
  const item = items.get(row.id) ?? add(row);
  const pill = item.querySelector(".pill");
  if (pill.dataset.status && pill.dataset.status !== row.status) {
    announcement.textContent = `${row.title}: ${row.label}`;
  }
  showStatus(pill, row);
  item.querySelector(".row-title").textContent = row.title;
  item.querySelector("progress").value = row.progress;
  item.querySelector(".percent").textContent = `${row.progress} %`;
  startClock(item.querySelector(".phase"), row.seconds);
}

// Rows come the oldest first; the newest stands on top.
function add(row) {
  const item = template.content.firstElementChild.cloneNode(true);
  item.querySelector("a").href = row.url;
  list.prepend(item);
  items.set(row.id, item);
  return item;
}

function remove(id, item) {
  item.remove();
  items.delete(id);
}

submitInBackground(document.querySelector("#create"), ({ url }) => location.assign(url));
