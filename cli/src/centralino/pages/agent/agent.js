// The agent's page: wires the desk to the router's socket and API.
import { byId, make, newId } from "/shared/dom.js";
import { ResumingSocket } from "/shared/socket.js";
import { Api, development, origins } from "./api.js";
import { callsText, isCall, makeKeypad, recallCalls, refusedSentence } from "./calls.js";
import { Composer } from "./compose.js";
import { Desk, ERASED, callbackId } from "./desk.js";
import { dialogs } from "./dialogs.js";
import { startPhone } from "./phone.js";
import { clearStory, draw, drawStory, notice } from "./view.js";
import { CAUSES, whySentence } from "./words.js";

const DEVICE = sessionStorage.getItem("device") ?? newId();
sessionStorage.setItem("device", DEVICE);
/** `present_by` of the domain says which kinds make an agent present. */
const KIND = navigator.userAgentData?.mobile || matchMedia("(pointer: coarse) and (max-width: 700px)").matches ? "mobile" : "desktop";

const desk = new Desk();
let api = null;
let configuration = null;
let open = null;    // opens the dialogs
let socket = null;
let composer = null;
let sequence = 0;   // the last sequence of our stream that was taken
let storyOf = null;
let lastTypingMs = 0;
let keysPressed = Promise.resolve();
const typingTimers = new Map();

await offerLogin();

async function offerLogin() {
  try {
    configuration = await development.configuration();
    const { agents } = configuration;
    byId("who").replaceChildren(...agents.map((agent) =>
      make("option", { value: agent.id }, `${agent.name} (${Object.entries(agent.skills).map(([skill, level]) => `${skill} ${level}`).join(", ")})`)));
    byId("login-form").onsubmit = async (event) => {
      event.preventDefault();
      const agent = agents.find((candidate) => candidate.id === byId("who").value);
      try {
        await startWork(agent, new Api(await development.token(agent), await origins()));
      } catch (error) {
        loginProblem(error);
      }
    };
  } catch (error) {
    loginProblem(error);
  }
}

function loginProblem(error) {
  byId("login-problem").textContent = error.message;
  byId("login-problem").hidden = false;
}

async function startWork(agent, itsApi) {
  api = itsApi;
  desk.me = agent.id;
  desk.parked = recalled();
  open = dialogs(acts, configuration, agent);
  composer = new Composer(api, notice, show);
  makeKeypad(actions);
  if (agent.phone) startPhone(api, notice).catch((error) => notice(`Your phone: ${error.message}`));
  setInterval(show, 30_000); // the time that is left to write freely
  byId("login").hidden = true;
  byId("desk").hidden = false;
  byId("my-name").textContent = agent.name;
  const dispositions = await api.dispositions();
  byId("disposition").replaceChildren(make("option", { value: "" }, "Disposition"),
    ...dispositions.map((one) => make("option", { value: one.id }, one.label)));
  const calls = sessionStorage.getItem(callsKey());
  await refetch();
  recallCalls(desk, calls);
  show();
  socket = new ResumingSocket({
    open: async () => ({ url: await api.socketUrl(sequence, DEVICE, KIND) }),
    onFrame: take,
    onState: (state) => { byId("link").textContent = { open: "connected", waiting: "reconnecting", closed: "disconnected" }[state] ?? state; },
    heartbeat: { type: "heartbeat" },
    final: (code) => code === 4401 || code === 4403,
  });
}

// A page that closes says so: its agent is not waited for any longer than others' grace.
addEventListener("pagehide", () => socket?.send({ type: "bye" }));

/** Everything anew: at the start, and when our stream was too old to resume. */
async function refetch() {
  const me = await api.me();
  sequence = me.push_sequence;
  desk.reset(me);
  await Promise.all([...desk.conversations.values()].map(loadHistory));
  show();
}

/** What was said before we had the conversation on this page, and by whom. The CRM may be a moment behind. */
async function loadHistory(conversation, triesLeft = 5) {
  try {
    const [interaction, history] = await Promise.all([
      api.interaction(conversation.talkId), api.messages(conversation.talkId)]);
    if (!interaction.customer && triesLeft > 0) loadHistoryLater(conversation, triesLeft);
    conversation.known = Boolean(interaction.customer);
    conversation.name = interaction.customer?.name ?? conversation.name;
    conversation.client = interaction.client;
    conversation.facts = factsOf(interaction.customer);
    for (const message of history.messages) {
      desk.addMessage(conversation.interactionId, {
        id: message.message_id, number: message.number, text: message.text, at_ms: message.at_ms,
        from: message.direction === "inbound" ? "customer" : "agent", by: message.agent_id, internal: message.visibility === "internal",
        ...kept(message, conversation.messages.find(({ id }) => id === message.message_id)),
      });
    }
  } catch (error) {
    if (error.status === 404 && triesLeft > 0) loadHistoryLater(conversation, triesLeft);
    else notice(`History is not available: ${error.message}`);
  }
}

/** What only some channels have; a message that we have already keeps what the CRM does not tell, or tells later. */
function kept(message, known) {
  if (message.erased_at_ms) return ERASED;
  const { subject, html, quoted, files, status, parties = {} } = message;
  const told = {
    subject, html, quoted, files, status: known?.status ?? status, sender: parties.from, to: parties.to, cc: parties.cc, edited: message.edited_at_ms,
    why: whySentence(message.status_reason, message.status_detail), recipients: known?.recipients ?? message.recipients,
  };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value));
}

/** Variables of canned replies that the CRM knows. */
function factsOf(customer) {
  const value = (type) => customer?.identifiers?.find((identifier) => identifier.type === type)?.value;
  return { customer_name: customer?.name, customer_email: value("email"), customer_phone: value("phone") };
}

function loadHistoryLater(conversation, triesLeft) {
  setTimeout(() => loadHistory(conversation, triesLeft - 1).then(show), 700);
}

function take(frame) {
  api.heard(frame);
  if (frame.type === "typing") expectTypingToEnd(frame.data);
  if (frame.type === "resync") { refetch().catch((error) => notice(error.message)); return; }
  if (frame.sequence !== undefined) {
    if (frame.type !== "hello" && frame.sequence <= sequence) return;
    if (frame.type !== "hello") sequence = frame.sequence;
  }
  if (frame.type === "agent.state_changed" && CAUSES[frame.data.cause]) notice(CAUSES[frame.data.cause]);
  if (frame.type === "message.failed" && !isShown(frame.data)) notice(frame.data.detail); // a request of ours: to send again, split or join
  if (frame.type === "call.command_refused") notice(refusedSentence(frame.data));
  desk.take(frame.type, frame.data ?? frame);
  if (frame.type === "message.moved") for (const found of desk.of(frame.data.to_interaction_id)) loadMoved(found, frame.data.moved);
  if (frame.type === "task.assigned") loadHistory(desk.conversations.get(frame.data.assignment_id)).then(show);
  show();
}

function isShown({ interaction_id: interactionId, message_id: messageId }) {
  return desk.of(interactionId).some((found) => found.messages.some(({ id }) => id === messageId));
}

/** Messages have come from a conversation that may not be here: the CRM has them in a moment. */
async function loadMoved(found, moved, triesLeft = 5) {
  const missing = () => moved.some(({ message_id: messageId }) => !found.messages.some(({ id }) => id === messageId));
  if (!missing()) return;
  await loadHistory(found, 0);
  show();
  if (triesLeft > 0 && missing()) setTimeout(() => loadMoved(found, moved, triesLeft - 1), 700);
}

/** A sign of typing is good for a moment; the next one comes before that is over. */
function expectTypingToEnd(data) {
  clearTimeout(typingTimers.get(data.interaction_id));
  typingTimers.set(data.interaction_id, setTimeout(() => { desk.take("typing.over", data); show(); }, 4000));
}

function show() {
  sessionStorage.setItem(parkedKey(), JSON.stringify([...desk.parked]));
  sessionStorage.setItem(callsKey(), callsText(desk));
  draw(desk, actions, nameOf);
  composer?.draw(isCall(desk.current) ? undefined : desk.current);
  const current = desk.current;
  if (current && storyOf !== storyKey(current)) showStory(current);
  else if (!current && storyOf) { storyOf = null; clearStory(); }
}

/** What this window put aside: the router tells nobody but who parks. */
function recalled() {
  return new Map(JSON.parse(sessionStorage.getItem(parkedKey()) ?? "[]"));
}

function parkedKey() {
  return `parked:${desk.me}`;
}

function callsKey() {
  return `calls:${desk.me}`;
}

function nameOf(agentId) {
  return configuration.agents.find((agent) => agent.id === agentId)?.name ?? agentId;
}

/** The story is drawn anew for another conversation, and when the customer has become known. */
function storyKey(conversation) {
  return `${conversation.talkId}:${conversation.known}`;
}

async function showStory(conversation) {
  const key = storyKey(conversation);
  let found = [null, []];
  storyOf = key;
  try {
    const interaction = await api.interaction(conversation.talkId);
    const past = interaction.customer ? await api.timeline(interaction.customer.customer_id) : { entries: [] };
    found = [interaction, past.entries];
  } catch {
    // The CRM is away: nobody is known.
  }
  if (storyOf === key) drawStory(...found); // else another conversation was opened meanwhile
}

/** What the agent does. A refusal is told in its own words. */
const actions = {
  choose: (assignmentId) => { desk.choose(assignmentId); show(); },
  accept: (offerId) => run(() => api.accept(offerId)),
  reject: (offerId) => run(() => api.reject(offerId)),
  resend: (messageId) => run(() => api.resend(desk.current.assignmentId, messageId)),
  linkOf: (file, inline) => api.fileLink(desk.current.assignmentId, file, inline),
  press: (key) => {
    const { assignmentId } = desk.current;
    keysPressed = keysPressed.then(() => run(() => api.call(assignmentId, "keys", { keys: key }))); // in their order
  },
  unpark: (taskId) => run(() => {
    const gone = () => { desk.parked.delete(taskId); show(); };
    // A refusal means that it is in line already, or over.
    return api.unpark(taskId).then(gone, (error) => { if (error.status < 500) gone(); throw error; });
  }),
};

/** What the dialogs ask for; they show a refusal themselves. */
const acts = {
  transfer: (conversation, wish) => api.transfer(conversation.assignmentId, wish),
  park: (conversation, untilMs) => api.park(conversation.assignmentId, untilMs),
  split: (conversation, messageIds) => api.split(conversation.assignmentId, messageIds),
  join: (conversation, interactionId) => api.join(conversation.assignmentId, interactionId),
  callBack: async (conversation, wish) => {
    const channel = configuration.channels.find((each) => each.channel === conversation.channel && each.domain === configuration.queues.find((queue) => queue.id === wish.queue).domain);
    const client = conversation.client ?? channel?.client;
    const requestId = callbackId(conversation.interactionId, newId());
    await api.callBack({ ...wish, client, channel: conversation.channel, request_id: requestId });
    conversation.callbackId = requestId;
    conversation.note = wish.due_at_ms ? `To be called back: ${new Date(wish.due_at_ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}.` : "To be called back as soon as somebody is free.";
    show();
  },
};

async function run(command) {
  try {
    await command();
  } catch (error) {
    notice(error.message);
    await refetch().catch(() => {}); // away as well: the socket brings what happens
  }
}

byId("state").onchange = () => {
  const [state, reason] = byId("state").value.split(":");
  run(() => api.setState(state, reason));
};

byId("compose").onsubmit = (event) => {
  event.preventDefault();
  const conversation = desk.current;
  if (!conversation) return;
  const id = newId();
  const internal = conversation.role === "consultant" || (!byId("internal-part").hidden && byId("internal").checked);
  const message = composer.taken(internal);
  if (!message) return;
  const { text, subject, files } = internal ? message : composer.shown;
  desk.addMessage(conversation.interactionId, { id, from: "agent", by: desk.me, internal, text, subject, files, at_ms: Date.now(), pending: true });
  show();
  api.say(conversation.assignmentId, id, { ...message, visibility: internal ? "internal" : "customer" }).catch((error) => {
    desk.addMessage(conversation.interactionId, { id, failed: error.message });
    show();
  });
};

byId("text").onkeydown = (event) => {
  const sends = desk.current?.shape?.subject ? event.ctrlKey || event.metaKey : !event.shiftKey; // a mail has lines
  if (event.key === "Enter" && sends) {
    event.preventDefault();
    byId("compose").requestSubmit();
  }
};

byId("text").oninput = () => {
  if (Date.now() - lastTypingMs < 2500 || !desk.current) return;
  lastTypingMs = Date.now();
  socket.send({ type: "typing", interaction_id: desk.current.interactionId });
};

byId("hold").onclick = () => run(() => api.hold(desk.current.assignmentId, desk.current.heldSinceMs === null));
byId("mute").onclick = () => run(async () => {
  const { assignmentId, call } = desk.current;
  const muted = !call.muted;
  const { request_id: id } = await api.call(assignmentId, "mute", { muted });
  Object.assign(call, { muted, muting: { id, before: !muted } }); // nothing tells of it but a refusal
  show();
});
byId("pause-recording").onclick = () => run(() =>
  api.call(desk.current.assignmentId, "recording", { paused: desk.current.call.recording !== "paused" }));
byId("transfer").onclick = () => open.transfer(desk.current);
byId("split").onclick = () => open.split(desk.current);
byId("join").onclick = () => run(async () => {
  const conversation = desk.current;
  const { customer } = await api.interaction(conversation.talkId);
  const { entries } = customer ? await api.timeline(customer.customer_id) : { entries: [] };
  const others = entries.filter(({ kind, state, channel, interaction_id: id }) => kind === "interaction" && state === "open"
    && channel === conversation.channel && id !== conversation.interactionId);
  if (others.length) open.join(conversation, others.map(({ interaction_id: id, at_ms: atMs }) => ({ id, at_ms: atMs, text: lastWords(entries, id) })));
  else notice("The customer has no other open conversation here.");
});

function lastWords(entries, interactionId) {
  const said = entries.find((entry) => entry.kind === "message" && entry.interaction_id === interactionId);
  return said?.subject || said?.summary;
}

byId("park").onclick = () => open.park(desk.current);
byId("call-back").onclick = () => open.callBack(desk.current);
byId("cancel-callback").onclick = () => run(async () => {
  const conversation = desk.current;
  const [requestId, note] = [conversation.callbackId, conversation.note];
  Object.assign(conversation, { callbackId: null, note: "" }); // a refusal says that it is too late
  await api.cancelCallback(requestId).catch((error) => {
    if (!(error.status < 500)) Object.assign(conversation, { callbackId: requestId, note });
    throw error;
  });
  conversation.note = "Nobody calls back.";
  show();
});
for (const move of ["complete", "conference", "cancel"]) {
  byId(`move-${move}`).onclick = () => run(() => api.moveTransfer(desk.current.transfer.transfer_id, move));
}
byId("end").onclick = () => run(() => api.end(desk.current.assignmentId, desk.current.seenNumber));
byId("complete").onclick = () => run(() => api.complete(desk.current.assignmentId, byId("disposition").value, desk.current.seenNumber));
