// What the pages share: the event stream, the clocks, and forms that answer without a new page.

// Follow a stream of events; each one is the newest state, so none has to be kept. The result follows another one.
export function follow(url, show, onGone) {
  const note = document.querySelector("#connection");
  const tell = (state, words) => {
    note.dataset.state = state;
    if (note.textContent !== words) note.textContent = words;
    note.hidden = false;
  };
  let source;
  let again;
  let isGone = false;
  const close = () => {
    clearTimeout(again);
    source?.close();
  };
  const open = () => {
    close();
    if (isGone) return;
    source = new EventSource(url);
    source.onopen = () => tell("live", "Live");
    source.onmessage = (event) => show(JSON.parse(event.data));
    source.onerror = async ({ target }) => {
      tell("lost", "Reconnecting…");
      if (target.readyState !== EventSource.CLOSED) return;
      // The browser tries again by itself after a broken connection, but not after an answer such as 502 or 404.
      again = setTimeout(open, 3000);
      if (!(await isNotFound())) return;
      isGone = true;
      close();
      tell("gone", "Not there");
      onGone?.();
    };
  };
  // Browsers allow six connections to one place: a tab that nobody looks at holds none, and catches up later.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  if (!document.hidden) open();
  return (another) => {
    url = another;
    if (!document.hidden) open();
  };
}

// A stream does not say why it was refused: the page's own address does.
async function isNotFound() {
  try {
    return (await fetch(location.href, { method: "HEAD" })).status === 404;
  } catch {
    return false;
  }
}

// Show for how long something has lasted and will last: seconds as of now, counted on by the browser's own clock.
export function startClocks(place, { seconds, seconds_left }) {
  const [phase, eta] = [place.querySelector(".phase"), place.querySelector(".eta")];
  phase.dataset.began = performance.now() - seconds * 1000;
  if (seconds_left === null) delete eta.dataset.ends;
  else eta.dataset.ends = performance.now() + seconds_left * 1000;
  showPhase(phase);
  showEta(eta);
}

function showPhase(element) {
  const seconds = Math.floor((performance.now() - element.dataset.began) / 1000);
  element.textContent = `for ${duration(Math.max(0, seconds))}`;
}

function showEta(element) {
  const seconds = (element.dataset.ends - performance.now()) / 1000;
  if (!element.dataset.ends) element.textContent = "";
  else if (seconds < 60) element.textContent = "less than a minute left";
  else element.textContent = `about ${duration(Math.ceil(seconds / 60) * 60).replace(" 00 s", "")} left`;
}

export function showTime(element, seconds) {
  const moment = new Date(seconds * 1000);
  element.dateTime = moment.toISOString();
  element.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function duration(seconds) {
  const [days, hours, minutes] = [86400, 3600, 60].map((size) => Math.floor(seconds / size));
  if (days) return `${days} d`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  if (minutes) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${seconds} s`;
}

setInterval(() => {
  document.querySelectorAll("[data-began]").forEach(showPhase);
  document.querySelectorAll("[data-ends]").forEach(showEta);
}, 1000);

export async function showBalance() {
  const place = document.querySelector("#balance");
  try {
    const answer = await fetch("/balance");
    const { balance } = answer.ok ? await answer.json() : { balance: null };
    place.hidden = !balance;
    place.textContent = balance ? `Balance ${balance}` : "";
  } catch {
    place.hidden = true;
  }
}

export function showStatus(pill, row) {
  pill.textContent = row.label;
  pill.dataset.status = row.status;
}

// Send a form in the background; tell what went wrong beside it, and keep what was typed. `onProgress` gets the share
// that was sent, and null at the end.
export function submitInBackground(form, done, onProgress = () => {}) {
  const problem = form.querySelector(".problem");
  let isSending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    form.setAttribute("aria-busy", "true");
    problem.hidden = true;
    const { trouble, value } = await post(form, onProgress);
    isSending = false;
    form.removeAttribute("aria-busy");
    onProgress(null);
    if (trouble) showTrouble(problem, trouble);
    else done(value);
  });
}

// Not with `fetch`, which does not say how much was sent.
function post(form, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const fail = () =>
      resolve({ trouble: { error: "The desk did not answer.", hint: "Check your connection, then send it again." } });
    request.open("POST", form.action);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onerror = fail;
    request.onload = () => {
      if (request.status < 300) resolve({ value: request.response });
      else if (request.response?.error) resolve({ trouble: request.response });
      else fail();
    };
    request.send(new FormData(form));
  });
}

export function showTrouble(element, trouble) {
  element.hidden = !trouble;
  if (!trouble) return;
  const error = document.createElement("strong");
  error.textContent = trouble.error;
  element.replaceChildren(error, " ", trouble.hint);
}
