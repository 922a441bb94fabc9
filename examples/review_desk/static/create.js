// The form for a new session: what there is to choose from, and the files that are dropped on it.

import { showTrouble, submitInBackground } from "./desk.js";

const form = document.querySelector("#create");

// ---- avatar, voice and style ----

const choices = document.querySelector("#choices");
const voice = document.querySelector("#voice");
const sample = document.querySelector("#voice-sample");
const samples = new Map();
let isLoaded = false;

choices.addEventListener("toggle", async () => {
  if (isLoaded || !choices.open) return;
  isLoaded = true;
  let catalog;
  try {
    const answer = await fetch("/catalog");
    catalog = await answer.json();
    if (!answer.ok) throw catalog;
  } catch (trouble) {
    isLoaded = false; // opening it again tries again
    const problem = trouble.error ? trouble : { error: "The desk did not answer.", hint: "" };
    return showTrouble(document.querySelector("#no-choices"), problem);
  }
  showTrouble(document.querySelector("#no-choices"), null);
  for (const group of form.querySelectorAll("[data-choices]")) {
    const name = group.dataset.choices;
    const none = { id: "", name: "The agent’s choice", media: null };
    group.append(...[none, ...catalog[name]].map((choice) => card(name, choice)));
  }
  voice.append(...catalog.voice_id.map(({ id, name }) => new Option(name, id)));
  for (const { id, media } of catalog.voice_id) if (media) samples.set(id, media);
});

function card(name, { id, name: label, media }) {
  const item = document.querySelector("#card").content.firstElementChild.cloneNode(true);
  const [input, image] = [item.querySelector("input"), item.querySelector("img")];
  Object.assign(input, { name, value: id, checked: !id });
  item.querySelector("span").textContent = label;
  if (media) image.src = media;
  else image.remove();
  return item;
}

voice.addEventListener("change", () => {
  sample.hidden = !samples.has(voice.value);
  if (!sample.hidden) sample.src = samples.get(voice.value);
});

// ---- files ----

const drop = document.querySelector("#drop");
const input = document.querySelector("#files");
const chosen = document.querySelector("#chosen");

for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const all = new DataTransfer();
  for (const file of [...input.files, ...event.dataTransfer.files]) all.items.add(file);
  input.files = all.files;
  showChosen();
});
input.addEventListener("change", showChosen);

function showChosen() {
  chosen.replaceChildren(
    ...[...input.files].map((file) => {
      const item = document.createElement("li");
      item.textContent = `${file.name} · ${(file.size / 1024 / 1024).toFixed(1)} MB`;
      return item;
    }),
  );
}

// ---- sending it ----

const upload = document.querySelector("#upload");
submitInBackground(
  form,
  ({ url }) => location.assign(url),
  (share) => {
    upload.hidden = !input.files.length || share === null;
    upload.value = (share ?? 0) * 100;
  },
);
