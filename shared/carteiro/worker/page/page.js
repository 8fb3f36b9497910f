"use strict";

// The state: the page is fetched again, and what has changed in it takes the place of what is shown.
const PERIOD_MS = 3000;
const status = document.getElementById("status");

async function refresh() {
  let fresh;
  try {
    const answer = await fetch("./", {cache: "no-store", signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error(answer.status);
    fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    if (status.dataset.condition === "gone") return;
    status.dataset.condition = "gone";
    const lines = ["h1", "p"].map((name) => document.createElement(name));
    lines[0].textContent = "No answer from the worker";
    lines[1].textContent = "It may have stopped, or cannot be reached. This page tries again by itself.";
    document.getElementById("status-now").replaceChildren(...lines);
    document.title = "No answer – Carteiro";
    return;
  }
  document.title = fresh.title;
  for (const shown of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(shown.id);
    if (!now) continue;
    if (shown.dataset.live === "condition") shown.dataset.condition = now.dataset.condition;
    else if (shown.innerHTML !== now.innerHTML) shown.replaceChildren(...now.childNodes);
  }
}

async function keepFresh() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    if (!document.hidden) await refresh();
  }
}

if (status) keepFresh();

// The form: the fields write the record, and the record is what is sent.
const form = document.getElementById("form");

function takesRequests() {
  const task = document.getElementById("task");
  const told = document.getElementById("reply-status");
  const text = document.getElementById("reply-text");
  const whole = document.getElementById("reply");
  const stop = document.getElementById("stop");
  const send = form.querySelector("[type=submit]");
  let waiting = null;

  const chosen = () => form.querySelector(`fieldset[data-task="${CSS.escape(task.value)}"]`);

  function choose() {
    for (const each of form.querySelectorAll("fieldset")) each.hidden = each.disabled = each !== chosen();
  }

  function write(fieldset) {
    const record = fieldset.querySelector(".record");
    let value;
    try {
      value = JSON.parse(record.value);
    } catch {
      value = {};
    }
    for (const field of fieldset.querySelectorAll("[data-field]")) {
      const name = field.dataset.field;
      if (field.dataset.kind === "message") value[name] = [{role: "user", content: field.value}];
      else if (field.dataset.kind === "lines") value[name] = field.value.split("\n").filter((each) => each.trim());
      else if (field.dataset.kind === "list") value[name] = field.value.split(",").map((each) => each.trim()).filter(Boolean);
      else if (field.value || !(field instanceof HTMLSelectElement)) value[name] = field.value;
      else delete value[name];
    }
    if (fieldset.hasAttribute("data-streams")) value.options = {...value.options, stream: true};
    record.value = JSON.stringify(value, null, 2);
  }

  function tell(words, outcome = "") {
    told.textContent = words;
    told.dataset.outcome = outcome;
  }

  function show(words) {
    text.hidden = !words;
    text.textContent = words;
    text.scrollTop = text.scrollHeight;
  }

  // The text of a result, whatever the task: the first that is not a role.
  function textOf(result) {
    for (const [name, value] of Object.entries(result ?? {})) {
      if (typeof value === "string" && name !== "role") return value;
      const inner = value && typeof value === "object" && !Array.isArray(value) ? textOf(value) : "";
      if (inner) return inner;
    }
    return "";
  }

  function take(line, state) {
    if (line.status === "partial") {
      // A piece with the number 0 begins the text of another call of a model.
      state.text = line.seq === 0 ? line.text : state.text + line.text;
      show(state.text);
      tell("The reply comes in.");
      return;
    }
    state.ended = true;
    document.getElementById("reply-json").textContent = JSON.stringify(line, null, 2);
    whole.hidden = false;
    if (line.status === "ok") {
      const {input_tokens: read, output_tokens: written, cost_usd: cost} = line.usage;
      const spent = `${read} + ${written} tokens, ${(line.timing.work_ms / 1000).toFixed(1)} s`;
      const cut = line.finish_reason === "length" ? ", cut by the limit of tokens" : "";
      show(textOf(line.result));
      tell(`${line.model}: ${spent}${cost ? `, ${cost.toFixed(6)} USD` : ""}${cut}`);
    } else if (line.status === "stored") {
      tell(`The result is too large for its topic. It is at ${line.stored_result.uri}`);
    } else {
      tell(line.error ? `${line.error.code}: ${line.error.message}` : line.message, "error");
    }
  }

  async function exchange(signal) {
    const state = {text: "", ended: false};
    const body = JSON.stringify({task: task.value, value: chosen().querySelector(".record").value});
    const headers = {"content-type": "application/json"};
    const answer = await fetch("request", {method: "POST", headers, body, signal});
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const {value, done} = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.filter(Boolean)) take(JSON.parse(line), state);
    }
    if (!state.ended) tell("The worker stopped before the reply was there.", "error");
  }

  async function submit(event) {
    event.preventDefault();
    if (waiting) return;
    waiting = new AbortController();
    send.setAttribute("aria-disabled", "true");
    stop.hidden = false;
    whole.hidden = true;
    show("");
    text.setAttribute("aria-busy", "true");
    tell("The request is on its way. Waiting for the reply.");
    try {
      await exchange(waiting.signal);
    } catch {
      tell(waiting.signal.aborted ? "Stopped waiting. The worker still does the request." : "The worker does not answer.", "error");
    }
    text.removeAttribute("aria-busy");
    if (document.activeElement === stop) send.focus();
    stop.hidden = true;
    send.removeAttribute("aria-disabled");
    waiting = null;
  }

  task.addEventListener("change", choose);
  form.addEventListener("input", (event) => {
    if (event.target.dataset.field) write(event.target.closest("fieldset"));
  });
  form.addEventListener("submit", submit);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  stop.addEventListener("click", () => waiting?.abort());
  choose();
  for (const each of form.querySelectorAll("fieldset")) if (each.querySelector("[data-field]")) write(each);
  form.hidden = false;
}

if (form) takesRequests();
