// What both pages share: the event stream, the clocks, and forms that answer without a new page.

// Follow a stream of events; each one is the newest state, so none has to be kept.
export function follow(url, show) {
  const note = document.querySelector("#connection");
  const tell = (state, words) => {
    note.dataset.state = state;
    if (note.textContent !== words) note.textContent = words;
    note.hidden = false;
  };
  let source;
  let again;
  const close = () => {
    clearTimeout(again);
    source?.close();
  };
  const open = () => {
    close();
    source = new EventSource(url);
    source.onopen = () => tell("live", "Live");
    source.onmessage = (event) => show(JSON.parse(event.data));
    source.onerror = () => {
      tell("lost", "Reconnecting…");
      // The browser tries again by itself after a broken connection, but not after an answer such as 502.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, 3000);
    };
  };
  // Browsers allow six connections to one place: a tab that nobody looks at holds none, and catches up later.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  if (!document.hidden) open();
}

// Show for how long something has lasted: `seconds` as of now, counted on by the browser's own clock.
export function startClock(element, seconds) {
  element.dataset.began = performance.now() - seconds * 1000;
  showClock(element);
}

function showClock(element) {
  const seconds = Math.floor((performance.now() - element.dataset.began) / 1000);
  element.textContent = `for ${duration(Math.max(0, seconds))}`;
}

function duration(seconds) {
  const [days, hours, minutes] = [86400, 3600, 60].map((size) => Math.floor(seconds / size));
  if (days) return `${days} d`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  if (minutes) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${seconds} s`;
}

setInterval(() => document.querySelectorAll("[data-began]").forEach(showClock), 1000);

export function showStatus(pill, row) {
  pill.textContent = row.label;
  pill.dataset.status = row.status;
}

// Send a form in the background; tell what went wrong beside it, and keep what was typed.
export function submitInBackground(form, done) {
  const problem = form.querySelector(".problem");
  let isSending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    form.setAttribute("aria-busy", "true");
    problem.hidden = true;
    const trouble = await post(form, done);
    isSending = false;
    form.removeAttribute("aria-busy");
    if (trouble) showTrouble(problem, trouble);
  });
}

async function post(form, done) {
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (answer.ok) return void done(answer.status === 204 ? null : await answer.json());
    return await answer.json();
  } catch {
    return { error: "The desk did not answer.", hint: "Check your connection, then send it again." };
  }
}

export function showTrouble(element, trouble) {
  element.hidden = !trouble;
  if (!trouble) return;
  const error = document.createElement("strong");
  error.textContent = trouble.error;
  element.replaceChildren(error, " ", trouble.hint);
}
