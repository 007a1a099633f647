// The dialogs of a conversation: transfer, park, call back, split, join. Each says in its own words why it was refused.
import { byId, make } from "/shared/dom.js";

/** `submit` gets the conversation that the dialog was opened for; the dialog stays open while it is refused. */
function wire(name, submit) {
  const dialog = byId(`${name}-dialog`);
  const form = dialog.querySelector("form");
  const problem = dialog.querySelector("[role=alert]");
  const send = form.querySelector("button:not([type])");
  let subject = null;
  dialog.querySelector("[value=close]").onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    problem.hidden = true;
    try {
      await submit(subject, form);
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      send.disabled = false;
    }
  };
  return (conversation) => {
    subject = conversation;
    form.reset();
    problem.hidden = true;
    dialog.showModal();
  };
}

/** `acts`: transfer, park, callBack, split and join of agent.js. `configuration` says where conversations may go. */
export function dialogs(acts, { queues, agents }, me) {
  const option = ({ id, name }, prefix = "") => make("option", { value: prefix + id }, name);
  const group = (label, ...options) => {
    const made = make("optgroup", { label }, ...options);
    return options.length ? [made] : [];
  };
  const here = queues.filter((queue) => queue.domain === me.domain);

  const openTransfer = wire("transfer", (conversation, form) => {
    const [target, id] = byId("transfer-to").value.split(/:(.*)/);
    const to = { queue: { queue: id }, agent: { agent_id: id }, escalate: { escalate: true } }[target];
    return acts.transfer(conversation, { ...to, kind: form.elements.kind.value, forced: byId("transfer-forced").checked });
  });
  const openPark = wire("park", (conversation) => {
    const minutes = Number(byId("park-for").value);
    return acts.park(conversation, minutes ? Date.now() + minutes * 60_000 : null);
  });
  const openCallback = wire("callback", (conversation) => {
    const at = byId("callback-at").value; // local time, as the agent reads it
    return acts.callBack(conversation, {
      queue: byId("callback-queue").value, due_at_ms: at ? new Date(at).getTime() : null, agent_id: byId("callback-mine").checked ? me.id : null,
    });
  });

  const openSplit = wire("split", (conversation, form) => {
    const chosen = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    if (!chosen.length) throw new Error("Choose at least one message.");
    return acts.split(conversation, chosen);
  });
  const openJoin = wire("join", (conversation) => acts.join(conversation, byId("join-other").value));

  return {
    split: (conversation) => {
      const said = conversation.messages.filter((message) => message.number && !message.internal);
      byId("split-messages").replaceChildren(byId("split-messages").firstElementChild, ...said.map((message) =>
        make("label", { className: "check" }, make("input", { type: "checkbox", name: "message", value: message.id }), ` ${brief(message)}`)));
      openSplit(conversation);
    },
    /** `others`: open conversations of the customer, as the CRM tells. */
    join: (conversation, others) => {
      byId("join-other").replaceChildren(...others.map((other) => make("option", { value: other.id }, brief(other))));
      openJoin(conversation);
    },
    transfer: (conversation) => {
      const tier = here.find((queue) => queue.id === conversation.queue)?.escalates_to;
      byId("transfer-to").replaceChildren(
        ...(tier ? [make("option", { value: "escalate:" }, "Next tier")] : []),
        ...group("Queues", ...here.map((queue) => option(queue, "queue:"))),
        ...group("Agents", ...agents.filter((agent) => agent.domain === me.domain && agent.id !== me.id).map((agent) => option(agent, "agent:"))));
      openTransfer(conversation);
    },
    park: openPark,
    callBack: (conversation) => {
      byId("callback-queue").replaceChildren(...here.map((queue) => option(queue)));
      openCallback(conversation);
      byId("callback-queue").value = conversation.queue;
    },
  };
}

function brief({ subject, text, at_ms: atMs }) {
  const words = subject || text || "without words";
  return `${new Date(atMs).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })} · ${words.length > 60 ? `${words.slice(0, 60)}…` : words}`;
}
