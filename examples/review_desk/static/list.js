// The list of sessions, as it changes; what it is narrowed to stands in the address.

import { follow, showBalance, showStatus, showTime, startClocks } from "./desk.js";

const list = document.querySelector("#rows");
const find = document.querySelector("#find");
const template = document.querySelector("#row");
const announcement = document.querySelector("#announcement");
const items = new Map();

const address = new URLSearchParams(location.search);
for (const field of find.elements) field.value = address.get(field.name) ?? "";

const query = () => {
  const given = [...new FormData(find)].filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

const followAt = follow(`/events${query()}`, ({ ids, rows }) => {
  rows.forEach(show);
  if (ids) arrange(ids);
  document.querySelector("#empty").hidden = items.size > 0 || Boolean(query());
  document.querySelector("#none-found").hidden = items.size > 0 || !query();
});

let typing;
find.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    history.replaceState(null, "", query() || location.pathname);
    followAt(`/events${query()}`);
  }, 250);
});
find.addEventListener("submit", (event) => event.preventDefault());

function show(row) {
  const item = items.get(row.id) ?? add(row);
  const [pill, image, time] = [".pill", "img", "time"].map((name) => item.querySelector(name));
  if (pill.dataset.status && pill.dataset.status !== row.status) {
    announcement.textContent = `${row.title}: ${row.label}`;
  }
  showStatus(pill, row);
  item.querySelector(".row-title").textContent = row.title;
  item.querySelector(".row-service-title").textContent = row.service_title ?? "";
  item.querySelector("progress").value = row.progress;
  item.querySelector("progress").hidden = ["completed", "failed", "stopped"].includes(row.status);
  showTime(time, row.created);
  startClocks(item, row);
  if (row.thumbnail && image.getAttribute("src") !== row.thumbnail) {
    image.hidden = false;
    image.src = row.thumbnail;
  }
}

function add(row) {
  const item = template.content.firstElementChild.cloneNode(true);
  item.querySelector("a").href = row.url;
  const image = item.querySelector("img");
  image.addEventListener("error", () => (image.hidden = true));
  items.set(row.id, item);
  return item;
}

// The newest stands on top; what stands right already is not touched, and so keeps the focus.
function arrange(ids) {
  const wanted = new Set(ids);
  for (const [id, item] of items) {
    if (wanted.has(id)) continue;
    item.remove();
    items.delete(id);
  }
  let next = list.firstElementChild;
  for (const item of ids.map((id) => items.get(id)).reverse()) {
    if (item === next) next = next.nextElementSibling;
    else list.insertBefore(item, next);
  }
}

showBalance();
