// What is on the agent's desk: offers and conversations, changed only by what the router said.

export class Desk {
  constructor() {
    this.offers = new Map();        // offer id -> offer
    this.conversations = new Map(); // interaction id -> conversation
    this.chosen = null;             // interaction id
    this.state = { state: "not_ready", reason_code: null };
  }

  /** Replace everything by the router's answer to GET /me; messages that we have stay. */
  reset(me) {
    this.state = { state: me.state, reason_code: me.reason_code };
    this.offers = new Map(me.offers.map((offer) => [offer.offer_id, offer]));
    const before = this.conversations;
    this.conversations = new Map();
    for (const assignment of me.assignments) {
      const kept = before.get(assignment.interaction_id) ?? conversation(assignment);
      Object.assign(kept, { assignmentId: assignment.assignment_id, wrapup: assignment.state === "wrapup" });
      this.conversations.set(assignment.interaction_id, kept);
    }
    if (!this.conversations.has(this.chosen)) this.choose([...this.conversations.keys()][0] ?? null);
  }

  choose(interactionId) {
    this.chosen = interactionId;
    if (this.current) see(this.current);
  }

  get current() { return this.conversations.get(this.chosen); }

  /** Take one frame of the agent's socket. */
  take(type, data) {
    CHANGES[type]?.(this, data);
  }

  /** A message stands once, in the order of its number. */
  addMessage(interactionId, message) {
    const found = this.conversations.get(interactionId);
    if (!found) return;
    found.typing = false;
    const at = found.messages.findIndex((other) => other.id === message.id);
    if (at >= 0) found.messages[at] = { ...found.messages[at], ...message };
    else if (message.text !== undefined) found.messages.push(message); // a failure of what this page never showed is none
    found.messages.sort((a, b) => (a.number ?? Infinity) - (b.number ?? Infinity) || a.at_ms - b.at_ms);
    if (interactionId === this.chosen) see(found);
    else if (message.from === "customer") found.unread = true;
  }
}

/** The agent looks at it: what the customer said so far is seen. */
function see(found) {
  found.unread = false;
  const numbers = found.messages.filter((message) => message.from === "customer").map((message) => message.number);
  found.seenNumber = numbers.length ? Math.max(...numbers) : null;
}

function conversation({ interaction_id: interactionId, assignment_id: assignmentId, queue, channel }) {
  return {
    interactionId, assignmentId, queue, channel,
    messages: [], name: "Customer", seenNumber: null, deliveredNumber: 0, known: false, wrapup: false, unread: false, typing: false,
  };
}

function dropOffer(desk, data) {
  desk.offers.delete(data.offer_id);
}

function dropConversation(desk, data) {
  desk.conversations.delete(data.interaction_id);
  if (desk.chosen === data.interaction_id) desk.choose([...desk.conversations.keys()][0] ?? null);
}

/** What the customer does not get is marked. */
function spoken({ visibility, personal }) {
  return visibility === "internal" ? `(internal) ${personal.text}` : personal.text;
}

/** Who changes what: one entry for each type of frame that matters here. */
const CHANGES = {
  "offer.issued": (desk, data) => desk.offers.set(data.offer_id, data),
  "offer.accepted": dropOffer,
  "offer.rejected": dropOffer,
  "offer.expired": dropOffer,
  "offer.rescinded": dropOffer,
  "offer.withdrawn": dropOffer,
  "task.assigned": (desk, data) => {
    if (!desk.conversations.has(data.interaction_id)) desk.conversations.set(data.interaction_id, conversation(data));
    if (!desk.chosen) desk.choose(data.interaction_id);
  },
  "task.wrapup_started": (desk, data) => {
    const found = desk.conversations.get(data.interaction_id);
    if (found) Object.assign(found, { wrapup: true, wrapupEndsAtMs: data.ends_at_ms });
  },
  "task.completed": dropConversation,
  "task.requeued": dropConversation,
  "task.unassigned": dropConversation,
  "task.transferred_out": dropConversation,
  "agent.state_changed": (desk, data) => { desk.state = { state: data.state, reason_code: data.reason_code }; },
  "message.received": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, number: data.number, from: "customer", text: data.personal.text, at_ms: data.received_at_ms,
  }),
  "message.sent": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, number: data.number, from: "agent", text: spoken(data), at_ms: data.sent_at_ms, pending: false, failed: undefined,
  }),
  "message.failed": (desk, data) => desk.addMessage(data.interaction_id, { id: data.message_id, failed: data.detail }),
  "message.delivered": (desk, data) => {
    const found = desk.conversations.get(data.interaction_id);
    if (found) found.deliveredNumber = Math.max(found.deliveredNumber, data.number);
  },
  typing: (desk, data) => {
    const found = desk.conversations.get(data.interaction_id);
    if (found) found.typing = true;
  },
  "typing.over": (desk, data) => {
    const found = desk.conversations.get(data.interaction_id);
    if (found) found.typing = false;
  },
};
