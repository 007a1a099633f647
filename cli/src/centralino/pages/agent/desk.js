// What is on the agent's desk: offers and conversations, changed only by what the router said.

import { CALL_CHANGES, newCall } from "./calls.js";
import { whySentence } from "./words.js";

export class Desk {
  constructor(me = null) {
    this.me = me;                   // our agent's id
    this.offers = new Map();        // offer id -> offer
    this.conversations = new Map(); // assignment id -> conversation: one interaction may be here twice
    this.parked = new Map();        // task id -> what was put aside
    this.chosen = null;             // assignment id
    this.state = { state: "not_ready", reason_code: null };
    this.pending = null;            // the state that comes when the last offer or conversation ends
    this.reasons = [];              // why one may be not ready, by configuration
  }

  /** Replace everything by the router's answer to GET /me; messages that we have stay. */
  reset(me) {
    this.state = { state: me.state, reason_code: me.reason_code };
    this.pending = me.pending_state ? { state: me.pending_state, reason_code: me.pending_reason_code } : null;
    this.reasons = me.not_ready_reasons;
    this.offers = new Map(me.offers.map((offer) => [offer.offer_id, offer]));
    const before = this.conversations;
    this.conversations = new Map();
    for (const assignment of me.assignments) {
      const kept = before.get(assignment.assignment_id) ?? conversation(assignment);
      Object.assign(kept, {
        wrapup: assignment.state === "wrapup", role: assignment.role,
        heldSinceMs: assignment.held_since_ms, transfer: assignment.transfer,
      });
      this.add(kept);
    }
    if (!this.current) this.choose([...this.conversations.keys()][0] ?? null);
  }

  choose(assignmentId) {
    this.chosen = assignmentId;
    if (this.current) see(this.current);
  }

  get current() { return this.conversations.get(this.chosen); }

  /** All that we have of an interaction. */
  of(interactionId) {
    return [...this.conversations.values()].filter((found) => found.interactionId === interactionId);
  }

  add(found) {
    this.conversations.set(found.assignmentId, found);
    this.parked.delete(found.taskId);
  }

  /** Take one frame of the agent's socket. */
  take(type, data) {
    CHANGES[type]?.(this, data);
    if (CALL_CHANGES[type]) for (const found of this.of(data.interaction_id)) CALL_CHANGES[type](found.call, data, this.me);
  }

  /** A message stands once in each of its conversations, in the order of its number. */
  addMessage(interactionId, message) {
    for (const found of this.of(interactionId)) addTo(found, message, this);
  }
}

function addTo(found, message, desk) {
  found.typing = false;
  const at = found.messages.findIndex((other) => other.id === message.id);
  if (at >= 0) found.messages[at] = { ...found.messages[at], ...(found.messages[at].erased ? { ...message, ...ERASED } : message) };
  else if (message.from && message.text !== undefined) found.messages.push({ ...message }); // a failure of what this page never showed is none
  found.messages.sort((a, b) => (a.number ?? Infinity) - (b.number ?? Infinity) || a.at_ms - b.at_ms);
  if (found === desk.current) see(found);
  else if (message.from === "customer") found.unread = true;
}

/** The agent looks at it: what the customer said so far is seen. */
function see(found) {
  found.unread = false;
  const numbers = found.messages.filter((message) => message.from === "customer").map((message) => message.number);
  found.seenNumber = numbers.length ? Math.max(...numbers) : null;
}

/** A callback that this page asks for names the conversation that it is about: its customer is known by that alone. */
const CALLBACK = /^callback:(.+):[^:]+$/;

export function callbackId(interactionId, unique) {
  return `callback:${talkOf(interactionId)}:${unique}`;
}

export function isCallback({ interaction_id: interactionId, kind }) {
  return kind === "callback" || CALLBACK.test(interactionId);
}

function talkOf(interactionId) {
  return CALLBACK.exec(interactionId)?.[1] ?? interactionId;
}

function conversation(assignment) {
  const { interaction_id: interactionId, assignment_id: assignmentId, task_id: taskId, queue, channel, role } = assignment;
  return {
    interactionId, assignmentId, taskId, queue, channel, role: role ?? "owner", talkId: talkOf(interactionId), callback: isCallback(assignment),
    heldSinceMs: null, call: newCall(), transfer: null, helps: null, outcome: "", wrapup: false,
    messages: [], name: "Customer", client: null, seenNumber: null, deliveredNumber: 0, known: false, unread: false, typing: false,
  };
}

/** What a message holds beside its place in the conversation. */
export function said(personal) {
  const { text = "", subject, html, quoted, files = [], from, to, cc, shortened } = personal;
  return { text, subject, html, quoted, files, sender: from, to, cc, shortened };
}

export const ERASED = { erased: true, text: "", subject: undefined, html: undefined, quoted: undefined, files: [] };

/** An agent split or joined conversations: messages leave one, and stand in the other if it is here. */
function moveMessages(desk, data) {
  const numbers = new Map(data.moved.map((moved) => [moved.message_id, moved.number]));
  const messages = new Map();
  for (const found of desk.of(data.interaction_id)) {
    for (const message of found.messages) if (numbers.has(message.id)) messages.set(message.id, message);
    found.messages = found.messages.filter((message) => !numbers.has(message.id));
  }
  for (const [id, message] of messages) desk.addMessage(data.to_interaction_id, { ...message, number: numbers.get(id) });
}

function dropOffer(desk, data) {
  desk.offers.delete(data.offer_id);
}

function dropConversation(desk, data) {
  if (!desk.conversations.delete(data.assignment_id)) return;
  if (desk.chosen === data.assignment_id) desk.choose([...desk.conversations.keys()][0] ?? null);
}

/** A change of the conversation that the frame's assignment is. */
function changing(change) {
  return (desk, data) => {
    const found = desk.conversations.get(data.assignment_id);
    if (found) Object.assign(found, change(data));
  };
}

const OPEN = ["requested", "consulting", "conference"];

/** The one who asked sees how far it is; the one who helps, whom. */
function transferChanged(desk, data) {
  const owner = desk.conversations.get(data.from_assignment_id);
  if (owner) {
    owner.transfer = OPEN.includes(data.state) ? data : null;
    owner.outcome = data;
  }
  for (const found of desk.of(data.interaction_id)) {
    if (found.taskId === data.transfer_id) found.helps = OPEN.includes(data.state) ? data.from_agent_id : null;
  }
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
    if (!desk.conversations.has(data.assignment_id)) desk.add(conversation(data));
    if (!desk.current) desk.choose(data.assignment_id);
  },
  "task.wrapup_started": changing((data) => ({ wrapup: true, heldSinceMs: null, wrapupEndsAtMs: data.ends_at_ms })),
  "task.completed": dropConversation,
  "task.requeued": dropConversation,
  "task.unassigned": (desk, data) => {
    const found = desk.conversations.get(data.assignment_id);
    if (found && data.reason === "parked") desk.parked.set(data.task_id, { taskId: data.task_id, name: found.name, queue: data.queue });
    dropConversation(desk, data);
  },
  "task.transferred_out": dropConversation,
  "assignment.held": changing((data) => ({ heldSinceMs: data.held_at_ms })),
  "assignment.retrieved": changing(() => ({ heldSinceMs: null })),
  "assignment.role_changed": changing((data) => ({ role: data.role })),
  "transfer.changed": transferChanged,
  "agent.state_changed": (desk, data) => {
    desk.state = { state: data.state, reason_code: data.reason_code };
    desk.pending = null;
  },
  "agent.state_pending": (desk, data) => { desk.pending = data.state ? { state: data.state, reason_code: data.reason_code } : null; },
  "agent.clocked": (desk, data) => { if (!data.clocked_in) desk.pending = null; }, // whose shift has ended holds nothing
  "message.received": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, number: data.number, from: "customer", ...said(data.personal), at_ms: data.received_at_ms,
  }),
  "message.sent": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, number: data.number, from: "agent", by: data.agent_id,
    ...said(data.personal), at_ms: data.sent_at_ms, pending: false, failed: undefined,
  }),
  "message.announced": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, number: data.number, from: "agent", origin: data.reason === "sent_elsewhere" ? "sent past Centralino" : "automatic",
    ...said(data.personal), at_ms: data.announced_at_ms,
  }),
  "message.noted": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, number: data.number, from: "agent", by: data.agent_id, internal: true,
    text: data.personal.text, at_ms: data.noted_at_ms, pending: false, failed: undefined,
  }),
  "message.failed": (desk, data) => desk.addMessage(data.interaction_id, { id: data.message_id, failed: data.detail }),
  "message.status_changed": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, status: data.status, why: whySentence(data.reason, data.detail), recipients: data.personal?.recipients ?? [],
  }),
  "message.edited": (desk, data) => desk.addMessage(data.interaction_id, { ...said(data.personal), id: data.message_id, edited: true }),
  "message.erased": (desk, data) => desk.addMessage(data.interaction_id, { id: data.message_id, ...ERASED }),
  "message.files_changed": (desk, data) => desk.addMessage(data.interaction_id, {
    id: data.message_id, files: data.personal.files ?? [],
  }),
  "message.moved": moveMessages,
  "window.changed": (desk, data) => {
    for (const found of desk.of(data.interaction_id)) found.windowChanged = true;
  },
  "message.delivered": (desk, data) => {
    for (const found of desk.of(data.interaction_id)) found.deliveredNumber = Math.max(found.deliveredNumber, data.number);
  },
  typing: (desk, data) => {
    for (const found of desk.of(data.interaction_id)) found.typing = true;
  },
  "typing.over": (desk, data) => {
    for (const found of desk.of(data.interaction_id)) found.typing = false;
  },
};
