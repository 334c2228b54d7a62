// The page of `polymath serve`: health, latency, sessions, live robots, recorded episodes.

import { element } from "./curves.js";
import { View } from "./view.js";

const by = (id) => document.getElementById(id);
const ms = (value) => (value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
const HISTORY = 80; // control steps of the executed curve that are shown

function trouble(error) {
  by("trouble").hidden = !error;
  by("trouble").textContent = error ?? "";
}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(new URL(path, location.origin), options);
  const answer = await response.json().catch(() => ({ error: `${path}: status ${response.status}` }));
  if (!response.ok) throw new Error(answer.error ?? `${path}: status ${response.status}`);
  return answer;
}

// Runs the newest of the calls made meanwhile when the one under way has ended: a slow model is never asked twice at once.
function latest(work) {
  let busy = false, waiting = null;
  return async function call(...args) {
    if (busy) { waiting = args; return; }
    busy = true;
    try { await work(...args); trouble(null); } catch (error) { trouble(error.message); }
    busy = false;
    if (waiting) { const next = waiting; waiting = null; call(...next); }
  };
}

// ---- health, latency, sessions

function showStatus(status) {
  const health = status.state;
  by("health").textContent = health;
  by("health").className = `badge ${health === "ready" ? "good" : "bad"}`;
  by("title").textContent = status.models.map((model) => model.name).join(", ") || "Polymath-V server";
  by("models").textContent = status.models.map((model) =>
    `${model.name}: robot ${model.robot} (${model.cameras.join(", ")}), chunks of ${model.chunk} at ${model.rate} Hz`).join(" · ");
  const { total, infer, queue, count } = status.latency;
  for (const key of ["p50", "p95", "p99"]) by(key).textContent = ms(total[key]);
  by("latency-count").textContent = `${count} answers`;
  by("latency-infer").textContent = `model ${ms(infer.p50)}, ${ms(infer.p95)}, ${ms(infer.p99)}`;
  by("latency-queue").textContent = `waiting ${ms(queue.p50)}, ${ms(queue.p95)}, ${ms(queue.p99)}`;
  showSessions(status.sessions);
}

let chosen = null; // the session that is watched

function showSessions(sessions) {
  if (!sessions.some((session) => session.id === chosen)) chosen = sessions[0]?.id ?? null;
  by("sessions").hidden = sessions.length === 0;
  by("live-note").textContent = sessions.length ? `${sessions.length} connected` : "No robot is connected.";
  by("sessions").tBodies[0].replaceChildren(...sessions.map(sessionRow));
  const session = sessions.find((each) => each.id === chosen);
  if (!session || !session.shown) { by("live-view").hidden = true; return; }
  if (shownTurn !== `${session.id} ${session.turns}`) showSession(session.id);
}

function sessionRow(session) {
  const radio = element("input", { type: "radio", name: "session", checked: session.id === chosen, ariaLabel: `watch session ${session.id}` });
  radio.addEventListener("change", () => { chosen = session.id; live.edited = false; showSession(session.id); });
  const cell = (textContent, className = "") => element("td", { textContent, className, title: String(textContent) });
  const row = element("tr", {}, [
    element("td", {}, [radio]), cell(session.peer), cell(session.model), cell(session.instruction),
    cell(session.turns, "n"), cell(`${session.idle_s.toFixed(1)} s`, "n"),
  ]);
  row.setAttribute("aria-selected", String(session.id === chosen));
  return row;
}

// ---- live robots

let shownTurn = null;
const live = new View(by("live-view"), {
  explain: "Another instruction answers what the policy would do; the robot is not told.",
  curve: "carried out, as the client reports it",
});

const showSession = latest(async (id) => {
  const turn = await ask(`/api/sessions/${id}`);
  const instruction = live.instruction();
  const answer = instruction === null ? null : await ask(`/api/sessions/${id}/predictions`, { instruction });
  shownTurn = `${id} ${turn.turn}`;
  const predicted = answer ? answer.chunk : turn.chunk;
  live.show({
    ...turn, pictures: `/api/sessions/${id}`, version: turn.turn,
    executed: { first: turn.now - turn.executed.length, values: turn.executed },
    predicted: { first: turn.now, values: predicted },
    window: [Math.max(turn.now - HISTORY, 0), turn.now + predicted.length - 1],
    note: turn.executed.length ? "" : "This client does not report what it carried out.",
  });
});
live.onask = () => { if (chosen !== null) showSession(chosen); };

// ---- recorded episodes

let episode = null, playing = false;
const recorded = new View(by("recorded-view"), {
  explain: "Another instruction answers what the policy would do at this step.",
  curve: "recorded",
});

const showStep = latest(async (step) => {
  by("step-number").textContent = `${step} / ${episode.steps - 1}`;
  const answer = await ask(`/api/episodes/${episode.index}/predictions`, { step, instruction: recorded.instruction() });
  recorded.show({
    ...episode, pictures: `/api/episodes/${episode.index}/steps/${step}`, version: 0, now: step,
    executed: { first: 0, values: episode.actions },
    predicted: { first: step, values: answer.chunk },
    window: [Math.max(step - HISTORY, 0), Math.min(step + HISTORY, Math.max(episode.steps, step + answer.chunk.length) - 1)],
    note: `answered in ${ms(answer.infer_ms)}`,
  });
  if (playing) advance(step);
});
recorded.onask = () => { if (episode) showStep(Number(by("step").value)); };

function advance(step) {
  if (step + 1 >= episode.steps) { stop(); return; }
  setTimeout(() => { if (playing) { by("step").value = step + 1; showStep(step + 1); } }, 1000 / episode.rate);
}

function stop() {
  playing = false;
  by("play").textContent = "play";
  by("play").ariaPressed = "false";
}

const openEpisode = latest(async (index) => {
  stop();
  episode = await ask(`/api/episodes/${index}`);
  by("step").max = episode.steps - 1;
  by("step").value = 0;
  recorded.edited = false;
  showStep(0);
});

by("play").addEventListener("click", () => {
  if (playing) { stop(); return; }
  playing = true;
  by("play").textContent = "pause";
  by("play").ariaPressed = "true";
  showStep(Number(by("step").value));
});
by("step").addEventListener("input", () => { if (episode) showStep(Number(by("step").value)); });
by("episode").addEventListener("change", () => openEpisode(Number(by("episode").value)));

async function listEpisodes(start) {
  const { name, total, episodes } = await ask(`/api/episodes?start=${start}`);
  by("recorded").hidden = false;
  by("from").max = total - 1;
  by("from").closest("label").hidden = episodes.length === total;
  by("recorded-name").textContent = `${name}: ${total} episodes`;
  by("episode").replaceChildren(...episodes.map((each) =>
    element("option", { value: String(each.index), textContent: `${each.name}: ${each.instruction}`.slice(0, 120) })));
  if (episodes.length) await openEpisode(episodes[0].index);
}

const listFrom = latest((start) => listEpisodes(start));
by("from").addEventListener("change", () => {
  if (by("from").validity.valid && by("from").value) listFrom(Number(by("from").value));
});

// ---- begin

const events = new EventSource(new URL("/api/events", location.origin));
events.onmessage = (event) => showStatus(JSON.parse(event.data));
events.onerror = () => {
  by("health").textContent = "not reachable";
  by("health").className = "badge bad";
};

try {
  const status = await ask("/api/status");
  showStatus(status);
  if (status.episodes) await listEpisodes(0);
} catch (error) {
  trouble(error.message);
}
