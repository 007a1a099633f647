// The agent's page: wires the desk to the router's socket and API.
import { byId, make, newId } from "/shared/dom.js";
import { ResumingSocket } from "/shared/socket.js";
import { Api, crmOrigin, development } from "./api.js";
import { Desk } from "./desk.js";
import { draw, drawStory, notice } from "./view.js";

const DEVICE = sessionStorage.getItem("device") ?? newId();
sessionStorage.setItem("device", DEVICE);

const desk = new Desk();
let api = null;
let socket = null;
let sequence = 0;   // the last sequence of our stream that was taken
let storyOf = null;
let lastTypingMs = 0;
const typingTimers = new Map();

/** Why the router, and not the agent, changed the agent's state. */
const CAUSES = {
  unanswered_offers: "You are not ready now: offers were left unanswered.",
  presence_lost: "You are not ready now: the connection was lost for too long.",
};

await offerLogin();

async function offerLogin() {
  try {
    const agents = await development.agents();
    byId("who").replaceChildren(...agents.map((agent) =>
      make("option", { value: agent.id }, `${agent.name} (${Object.entries(agent.skills).map(([skill, level]) => `${skill} ${level}`).join(", ")})`)));
    byId("login-form").onsubmit = async (event) => {
      event.preventDefault();
      const agent = agents.find((candidate) => candidate.id === byId("who").value);
      try {
        await startWork(agent, new Api(await development.token(agent), await crmOrigin()));
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
  byId("login").hidden = true;
  byId("desk").hidden = false;
  byId("my-name").textContent = agent.name;
  const dispositions = await api.dispositions();
  byId("disposition").replaceChildren(make("option", { value: "" }, "Disposition"),
    ...dispositions.map((one) => make("option", { value: one.id }, one.label)));
  await refetch();
  socket = new ResumingSocket({
    open: async () => ({ url: await api.socketUrl(sequence, DEVICE) }),
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
      api.interaction(conversation.interactionId), api.messages(conversation.interactionId)]);
    if (!interaction.customer && triesLeft > 0) loadHistoryLater(conversation, triesLeft);
    conversation.known = Boolean(interaction.customer);
    conversation.name = interaction.customer?.name ?? conversation.name;
    for (const message of history.messages) {
      desk.addMessage(conversation.interactionId, {
        id: message.message_id, number: message.number, text: message.text, at_ms: message.at_ms,
        from: message.direction === "inbound" ? "customer" : "agent",
      });
    }
  } catch (error) {
    if (error.status === 404 && triesLeft > 0) loadHistoryLater(conversation, triesLeft);
    else notice(`History is not available: ${error.message}`);
  }
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
  desk.take(frame.type, frame.data ?? frame);
  if (frame.type === "task.assigned") loadHistory(desk.conversations.get(frame.data.interaction_id)).then(show);
  show();
}

/** A sign of typing is good for a moment; the next one comes before that is over. */
function expectTypingToEnd(data) {
  clearTimeout(typingTimers.get(data.interaction_id));
  typingTimers.set(data.interaction_id, setTimeout(() => { desk.take("typing.over", data); show(); }, 4000));
}

function show() {
  draw(desk, actions);
  const current = desk.current;
  if (current && storyOf !== storyKey(current)) showStory(current);
}

/** The story is drawn anew for another conversation, and when the customer has become known. */
function storyKey(conversation) {
  return `${conversation.interactionId}:${conversation.known}`;
}

async function showStory(conversation) {
  storyOf = storyKey(conversation);
  try {
    const interaction = await api.interaction(conversation.interactionId);
    const past = interaction.customer ? await api.timeline(interaction.customer.customer_id) : { entries: [] };
    drawStory(interaction, past.entries);
  } catch {
    drawStory(null, []);
  }
}

/** What the agent does. A refusal is told in its own words. */
const actions = {
  choose: (interactionId) => { desk.choose(interactionId); show(); },
  accept: (offerId) => run(() => api.accept(offerId)),
  reject: (offerId) => run(() => api.reject(offerId)),
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
  const text = byId("text").value.trim();
  if (!text || !conversation) return;
  byId("text").value = "";
  const id = newId();
  desk.addMessage(conversation.interactionId, { id, from: "agent", text, at_ms: Date.now(), pending: true });
  show();
  api.say(conversation.assignmentId, id, text).catch((error) => {
    desk.addMessage(conversation.interactionId, { id, failed: error.message });
    show();
  });
};

byId("text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    byId("compose").requestSubmit();
  }
};

byId("text").oninput = () => {
  if (Date.now() - lastTypingMs < 2500 || !desk.current) return;
  lastTypingMs = Date.now();
  socket.send({ type: "typing", interaction_id: desk.current.interactionId });
};

byId("end").onclick = () => run(() => api.end(desk.current.assignmentId, desk.current.seenNumber));
byId("complete").onclick = () => run(() => api.complete(desk.current.assignmentId, byId("disposition").value, desk.current.seenNumber));
