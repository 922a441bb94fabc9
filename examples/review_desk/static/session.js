// One session: what was said, where it is, and the video.

import { follow, showBalance, showStatus, showTime, showTrouble, startClocks, submitInBackground } from "./desk.js";

const byId = (id) => document.getElementById(id);
const session = byId("session");
const messages = byId("messages");
const video = byId("video");
const box = byId("message");

follow(session.dataset.events, show, () => {
  byId("gone").hidden = false;
  session.querySelectorAll("form, #delete-ask").forEach((part) => (part.hidden = true));
});
showBalance();

function show(page) {
  showPlace(page);
  showMessages(page.messages);
  showActions(page);
  showVideo(page);
  showBrief(page);
}

// ---- where it is ----

const STEPS = { thinking: 0, waiting_for_input: 0, reviewing: 1, generating: 2, completed: 3 };

function showPlace({ row, failure, trouble }) {
  const pill = byId("pill");
  if (pill.dataset.status && pill.dataset.status !== row.status) byId("announcement").textContent = row.label;
  showStatus(pill, row);
  startClocks(session.querySelector(".status"), row);
  byId("progress").value = row.progress;
  byId("service-title").hidden = !row.service_title;
  byId("service-title").textContent = `HeyGen calls it “${row.service_title}”`;
  showSteps(STEPS[row.status]);
  showTrouble(byId("trouble"), trouble);
  const isStopped = row.status === "stopped";
  byId("failure").classList.toggle("danger", !isStopped);
  showTrouble(byId("failure"), failure && { error: isStopped ? "It was stopped here." : "The agent gave up.", hint: isStopped ? "" : failure });
}

function showSteps(now) {
  [...byId("steps").children].forEach((step, place) => {
    step.classList.toggle("past", now !== undefined && (place < now || now === 3));
    if (place === now) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
}

// ---- what was said ----

function showMessages(said) {
  if (said.length < messages.childElementCount) messages.replaceChildren(); // the desk began anew
  const isAtEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
  const fresh = said.slice(messages.childElementCount);
  messages.append(...fresh.map(message));
  if (fresh.length && isAtEnd) messages.scrollTop = messages.scrollHeight;
}

function message({ role, text, is_error, pictures }) {
  const item = byId("message-template").content.firstElementChild.cloneNode(true);
  item.dataset.role = is_error ? "error" : role;
  item.querySelector(".who").textContent = role === "user" ? "You" : "Agent";
  item.querySelector(".text").textContent = text;
  const name = role === "user" ? "Attachment" : "Scene";
  item.querySelector(".pictures").append(...pictures.map((url, place) => picture(url, `${name} ${place + 1}`)));
  return item;
}

function picture(url, name) {
  const link = byId("picture-template").content.firstElementChild.cloneNode(true);
  const image = link.querySelector("img");
  link.href = image.src = url;
  image.alt = name;
  image.addEventListener("load", () => {
    if (messages.scrollHeight - messages.scrollTop - messages.clientHeight < 400) messages.scrollTop = messages.scrollHeight;
  });
  // Not everything that is attached is a picture: the rest becomes a plain link.
  image.addEventListener("error", () => image.replaceWith(name));
  return link;
}

// ---- what can be done ----

const by = byId("by"); // missing where a sign-in says who it is
if (by) by.value = localStorage.getItem("by") ?? "";

function showActions({ can_send, can_approve, can_stop, can_delete, is_archived, row }) {
  const [approve, stop] = ["approve", "stop"].map((id) => byId(id).querySelector("button"));
  const focused = document.activeElement;
  approve.hidden = !can_approve;
  if (by) by.parentElement.hidden = !can_approve;
  stop.hidden = !can_stop;
  byId("send").querySelector("button").disabled = !can_send;
  byId("send-help").textContent = help(can_send, row.status);
  box.placeholder = row.status === "waiting_for_input" ? "Your answer" : "Ask for a change";
  byId("delete-ask").hidden = !can_delete;
  byId("archive").querySelector("button").textContent = is_archived ? "Back to the list" : "Archive";
  if (focused?.closest("[hidden]")) byId("title").focus(); // a button that went away takes no focus with it
}

function help(can_send, status) {
  if (can_send) return matchMedia("(pointer: fine)").matches ? "Ctrl + Enter sends" : "";
  return status === "failed" || status === "stopped" ? "This session has ended; start a new one." : "You can write when the agent pauses.";
}

submitInBackground(byId("send"), () => {
  box.value = "";
  messages.scrollTop = messages.scrollHeight;
});
submitInBackground(byId("approve"), () => by && localStorage.setItem("by", by.value));
submitInBackground(byId("stop"), () => {});
submitInBackground(byId("archive"), () => {});
submitInBackground(byId("delete"), ({ url }) => location.assign(url));
byId("delete-ask").addEventListener("click", () => byId("delete-dialog").showModal());
byId("delete-not").addEventListener("click", () => byId("delete-dialog").close());

box.addEventListener("keydown", (event) => {
  const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  if (isSend && !byId("send").querySelector("button").disabled) byId("send").requestSubmit();
});

// ---- what was asked ----

function showBrief({ row, approved_by, approved }) {
  showTime(byId("created"), row.created);
  session.querySelectorAll(".approval").forEach((part) => (part.hidden = !approved));
  if (!approved) return;
  byId("approved-by").textContent = `by ${approved_by}`;
  showTime(byId("approved"), approved);
}

// ---- the video ----

function showVideo({ video: url }) {
  byId("result").hidden = !url;
  if (url && byId("open").getAttribute("href") !== url) {
    showBalance();
    byId("open").href = url;
    byId("download").href = `${url}/download`;
    video.src = url;
  }
  if (!url) video.removeAttribute("src");
}

// A link that has expired in an open page: the desk's address leads to a fresh one.
let renewed = -Infinity;
video.addEventListener("error", () => {
  if (!video.getAttribute("src") || performance.now() - renewed < 10_000) return;
  renewed = performance.now();
  const { currentTime } = video;
  video.src = `${byId("open").getAttribute("href")}?again=${Math.floor(renewed)}`;
  video.currentTime = currentTime;
});
