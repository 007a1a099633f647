// The supervisor's page: who has conversations, and a part in their calls.
import { Api, development, origins } from "/agent/api.js";
import { startPhone } from "/agent/phone.js";
import { byId, drawList, make, setText } from "/shared/dom.js";

const LOOK_MS = 2000;
const MODES = { spy: "Listen", whisper: "Whisper", barge: "Barge in", take_over: "Take over" };
const ASKED = {
  spy: "Asked for: you listen, and nobody hears you.", whisper: "Asked for: the agent alone hears you.",
  barge: "Asked for: everybody hears you.", take_over: "Asked for: you talk instead of the agent.",
};

let api = null;
let nameOf = (id) => id;
const asked = new Map(); // assignment id -> the mode that was asked for last

try {
  const { agents } = await development.configuration();
  nameOf = (id) => agents.find((agent) => agent.id === id)?.name ?? id;
  byId("who").replaceChildren(...agents.map(({ id, name }) => make("option", { value: id }, name)));
  byId("login-form").onsubmit = (event) => {
    event.preventDefault();
    startWork(agents.find(({ id }) => id === byId("who").value)).catch(loginProblem);
  };
} catch (error) {
  loginProblem(error);
}

function loginProblem({ message }) {
  setText(byId("login-problem"), message);
  byId("login-problem").hidden = false;
}

async function startWork(person) {
  api = new Api(await development.supervisorToken(person), await origins());
  byId("login").hidden = true;
  byId("floor").hidden = false;
  setText(byId("my-name"), person.name);
  if (person.phone) startPhone(api, notice).catch((error) => notice(`Your phone: ${error.message}`));
  await lookOn();
}

async function lookOn() {
  try {
    draw(await api.get("/live"));
  } catch (error) {
    notice(error.message);
  }
  setTimeout(lookOn, LOOK_MS);
}

function draw({ domains }) {
  const rows = domains.flatMap(({ agents }) => agents).flatMap((agent) =>
    agent.assignments.map((assignmentId, index) => ({ ...agent, assignmentId, number: index + 1 })));
  byId("nobody").hidden = rows.length > 0;
  for (const id of asked.keys()) if (!rows.some(({ assignmentId }) => assignmentId === id)) asked.delete(id);
  drawList(byId("agents"), rows, {
    id: (row) => row.assignmentId,
    build: (row) => make("li", {}, make("p", {}), make("p", { className: "quiet" }), make("div", { className: "tools" },
      ...Object.entries(MODES).map(([mode, words]) => make("button", { type: "button", className: "plain", textContent: words, onclick: () => supervise(row, mode) })),
      make("button", { type: "button", className: "plain", textContent: "Stop", onclick: () => supervise(row, null) }))),
    update: (item, row) => {
      const mode = asked.get(row.assignmentId);
      setText(item.children[0], `${nameOf(row.agent_id)} · conversation ${row.number}`);
      setText(item.children[1], ASKED[mode] ?? "");
      Object.keys(MODES).forEach((each, place) => { item.children[2].children[place].ariaPressed = String(each === mode); });
      item.children[2].lastChild.hidden = !mode;
    },
  });
}

/** Our phone rings, or changes its part; without a mode it leaves the call. */
async function supervise({ agent_id: agentId, assignmentId }, mode) {
  try {
    await api.supervise(agentId, assignmentId, mode);
    if (mode) asked.set(assignmentId, mode);
    else asked.delete(assignmentId);
    draw(await api.get("/live"));
  } catch (error) {
    notice(error.message);
  }
}

function notice(sentence) {
  const box = byId("notice");
  setText(box, sentence);
  box.hidden = false;
  clearTimeout(box.timer);
  box.timer = setTimeout(() => { box.hidden = true; }, 5000);
}
