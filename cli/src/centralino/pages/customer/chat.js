// The customer's side of a web chat, against the chat gateway's public API (/chat/v1).
import { byId, make, newId, timeOfDay, typingDots } from "/shared/dom.js";
import { ask } from "/shared/http.js";
import { ResumingSocket } from "/shared/socket.js";

const ADDRESS = new URLSearchParams(location.search).get("address") ?? "webchat:acme-shop";
const PROTOCOL = "centralino.chat.v1"; // the token follows it: a query string would stand in logs
const KEPT = `centralino:${ADDRESS}`;

/** What survives a reload: the visitor's own id and the open window. */
const kept = {
  read: () => JSON.parse(localStorage.getItem(KEPT) ?? "{}"),
  write: (changes) => localStorage.setItem(KEPT, JSON.stringify({ ...kept.read(), ...changes })),
};

/** What was said and is not acknowledged yet, by client message id: survives a reload, and is sent again under its id. */
const outbox = {
  texts: new Map(kept.read().outbox ?? []),
  add(id, text) { this.texts.set(id, text); this.keep(); },
  remove(id) { if (this.texts.delete(id)) this.keep(); },
  keep() { kept.write({ outbox: [...this.texts] }); },
};

let socket = null;
let seenNumber = 0;             // the last message number on the page: where a reconnect resumes
const shown = new Set();          // numbers on the page
let lastTypingMs = 0;
let typingTimer = null;
let callbacks = false;            // whether who waits may ask to be called back

await loadTopics();
const openWindow = kept.read().openWindow;
if (openWindow) {
  for (const [id, text] of outbox.texts) showMine(id, text);
  openTalk(openWindow);
}

async function loadTopics() {
  try {
    const address = await ask("GET", `/chat/v1/addresses/${encodeURIComponent(ADDRESS)}`);
    byId("queue").replaceChildren(...address.queues.map((queue) => make("option", { value: queue.id }, queue.name)));
  } catch (error) {
    showStartProblem(`The chat is not available: ${error.message}`);
  }
}

byId("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("first").value.trim();
  if (!text) return;
  byId("begin").disabled = true;
  try {
    const visitor = kept.read().visitor ?? newId();
    const opened = await ask("POST", "/chat/v1/windows", {
      body: {
        address: ADDRESS,
        visitor_id: visitor,
        name: byId("name").value.trim() || undefined,
        queue: byId("queue").value || undefined,
        language: navigator.language.slice(0, 2).toLowerCase(),
      },
    });
    kept.write({ visitor, openWindow: opened });
    const first = newId();
    outbox.add(first, text);
    showMine(first, text);
    openTalk(opened);
  } catch (error) {
    showStartProblem(error.message);
  } finally {
    byId("begin").disabled = false;
  }
});

function showStartProblem(sentence) {
  byId("start-problem").textContent = sentence;
  byId("start-problem").hidden = false;
}

function openTalk(opened) {
  byId("start").hidden = true;
  byId("talk").hidden = false;
  byId("text").focus();
  socket = new ResumingSocket({
    open: async () => ({ url: socketUrl(), protocols: [PROTOCOL, await freshToken(opened)] }),
    onFrame: receive,
    onState: showConnection,
    heartbeat: { type: "ping" },
    final: (code) => code === 1000 || code === 4401 || code === 4403,
  });
}

function socketUrl() {
  const url = new URL("/chat/v1/socket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("after", String(seenNumber));
  return url;
}

/** The window's token, renewed when it has less than five minutes to live. */
async function freshToken(opened) {
  const known = kept.read().openWindow ?? opened;
  if (known.expires_at_ms - Date.now() > 5 * 60_000) return known.window_token;
  const renewed = await ask("POST", "/chat/v1/windows/renew", { token: known.window_token });
  kept.write({ openWindow: { ...known, ...renewed } });
  return renewed.window_token;
}

function showConnection(state, cause) {
  const dot = byId("connection");
  dot.className = `dot ${state}`;
  dot.title = { open: "connected", connecting: "connecting", waiting: "reconnecting", closed: "not connected" }[state];
  if (state === "open") for (const [id, text] of outbox.texts) sendMessage(id, text);
  if (state === "closed" && cause?.code !== 1000) finish("This chat has expired.");
}

const FRAMES = {
  hello: (frame) => { callbacks = frame.callbacks; showState(frame); },
  ack: (frame) => acknowledge(frame),
  message: (frame) => showMessage(frame),
  position: (frame) => setStatus(placeInLine(frame)),
  state: (frame) => showState(frame),
  typing: () => showTyping(),
  error: (frame) => refused(frame),
  resync: () => { seenNumber = 0; },
  pong: () => {},
};

function placeInLine({ position, expected_at_ms: expectedAtMs }) {
  const place = position > 1 ? `You are number ${position} in line.` : "You are next.";
  const minutes = Math.ceil(((expectedAtMs ?? 0) - Date.now()) / 60_000);
  return minutes > 0 ? `${place} About ${minutes} min.` : place;
}

function receive(frame) {
  FRAMES[frame.type]?.(frame);
}

function showState({ state, agent_name: agent, reason }) {
  byId("call").hidden = !(callbacks && state === "waiting");
  if (state === "waiting" || state === "open") {
    byId("with").textContent = "Chat with us";
    setStatus("Somebody will be with you shortly.");
  }
  if (state === "assigned") {
    byId("with").textContent = agent ?? "Chat with us";
    setStatus("is here for you.");
  }
  if (state === "ended") finish(reason === "idle" ? "The chat was closed because nobody wrote." : "The chat has ended.");
}

function setStatus(sentence) {
  byId("status").textContent = sentence;
}

function showMessage(frame) {
  seenNumber = Math.max(seenNumber, frame.number); // not by an ack, which may overtake messages before its own
  if (shown.has(frame.number)) return;
  shown.add(frame.number);
  const known = frame.client_message_id && document.querySelector(`[data-id="${CSS.escape(frame.client_message_id)}"]`);
  if (known) settle(known, frame);
  else addMessage(frame.text, { mine: frame.from === "customer", stamp: `${frame.agent_name ?? ""} ${timeOfDay(frame.at_ms)}` });
  outbox.remove(frame.client_message_id);
  if (frame.from !== "customer") {
    byId("typing").hidden = true;
    socket.send({ type: "delivered", number: frame.number });
  }
}

function acknowledge(frame) {
  outbox.remove(frame.client_message_id);
  shown.add(frame.number);
  const item = document.querySelector(`[data-id="${CSS.escape(frame.client_message_id)}"]`);
  if (item) settle(item, frame);
}

function settle(item, frame) {
  item.classList.remove("pending");
  item.querySelector(".stamp").textContent = timeOfDay(frame.at_ms ?? Date.now());
}

/** A message was refused. Without one it is for developers, or the last word before a close: the dot shows that. */
function refused(frame) {
  if (!frame.client_message_id) return;
  const item = document.querySelector(`[data-id="${CSS.escape(frame.client_message_id)}"]`);
  outbox.remove(frame.client_message_id);
  if (item) item.className = "message mine failed";
  addNote(frame.reason);
}

function showMine(id, text) {
  addMessage(text, { mine: true, stamp: "sending", id });
}

function addMessage(text, { mine, stamp, id }) {
  const item = make("li", { className: `message${mine ? " mine" : ""}${id ? " pending" : ""}` },
    make("span", { className: "bubble" }, text), make("span", { className: "stamp" }, stamp));
  if (id) item.dataset.id = id;
  append(item);
}

function addNote(sentence) {
  append(make("li", { className: "note" }, sentence));
}

function append(item) {
  const list = byId("messages");
  // What is not acknowledged yet stands last, in the order in which it was said.
  list.insertBefore(item, item.classList.contains("pending") ? null : list.querySelector(".pending"));
  list.scrollTop = list.scrollHeight;
}

function showTyping() {
  const line = byId("typing");
  line.replaceChildren(typingDots());
  line.hidden = false;
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => { line.hidden = true; }, 4000);
}

function sendMessage(id, text) {
  socket.send({ type: "message", client_message_id: id, text });
}

byId("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (!text) return;
  const id = newId();
  outbox.add(id, text);
  showMine(id, text);
  sendMessage(id, text);
  byId("text").value = "";
});

byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    byId("compose").requestSubmit();
  }
});

byId("text").addEventListener("input", () => {
  if (Date.now() - lastTypingMs < 2500) return;
  lastTypingMs = Date.now();
  socket?.send({ type: "typing" });
});

byId("end").addEventListener("click", () => {
  if (!socket.send({ type: "end" })) setStatus("Not connected: the chat ends when the connection is back, or by itself.");
});

byId("call").addEventListener("click", () => {
  if (socket.send({ type: "callback" })) byId("call").hidden = true; // what comes of it comes as a message
});

function finish(sentence) {
  setStatus(sentence);
  addNote(sentence);
  kept.write({ openWindow: undefined, outbox: undefined });
  socket?.stop();
  byId("compose").hidden = true;
  byId("end").hidden = true;
  byId("call").hidden = true;
  byId("typing").hidden = true;
  byId("again").hidden = false;
}

byId("again").addEventListener("click", () => location.reload());
