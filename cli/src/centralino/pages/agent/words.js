// What the router's codes mean to an agent, in sentences.
import { duration } from "/shared/dom.js";

/** Why the router, and not the agent, changed the agent's state. */
export const CAUSES = {
  unanswered_offers: "You are not ready now: offers were left unanswered.",
  presence_lost: "You are not ready now: the connection was lost for too long.",
};

const CHANNELS = {
  webchat: "Chat", email: "E-mail", whatsapp: "WhatsApp", messenger: "Messenger", instagram: "Instagram", telegram: "Telegram",
  voice: "Call", sms: "SMS", slack: "Slack", line: "LINE", viber: "Viber", open: "Message",
};

/** What agents call a channel; one that the page does not know is called as the configuration calls it. */
export function channelWord(channel) {
  return CHANNELS[channel] ?? channel;
}

/** A state with its reason, as the agent chooses and reads it. Another reason than the configured ones is told by its code. */
export function stateChoice({ state, reason_code: code }, reasons) {
  const word = state === "ready" ? "Ready" : "Not ready";
  const label = code ? reasons.find(({ id }) => id === code)?.label ?? `${word} (${code.replaceAll("_", " ")})` : word;
  return { value: `${state}:${code ?? ""}`, label };
}

/** All that an agent may choose. */
export function stateChoices(reasons) {
  const codes = [null, ...reasons.map(({ id }) => id)];
  return [...codes.map((code) => ({ state: "not_ready", reason_code: code })), { state: "ready", reason_code: null }]
    .map((state) => stateChoice(state, reasons));
}

/** The state was asked for and comes when everything in hand has ended. */
export function pendingSentence(label) {
  return `${label} after this. Nothing new is offered to you until then.`;
}

const ENDS = {
  by_owner: "You took the transfer back.",
  by_supervisor: "A supervisor took the transfer back.",
  by_consultant: "Your colleague has left the conversation.",
  rejected: "Your colleague declined. The conversation stays yours.",
  unanswered: "Your colleague did not answer. The conversation stays yours.",
  target_gone: "Your colleague is not at work any more. The conversation stays yours.",
  timed_out: "Nobody accepted in time. The conversation stays yours.",
  agent_lost: "Your colleague's connection was lost. The conversation stays yours.",
  closed: "The queue has closed. The conversation stays yours.",
  full: "The queue is full. The conversation stays yours.",
  overflowed: "The queue gave up. The conversation stays yours.",
};

/** How far the conversation's transfer is, and what came of the last one; empty if there was none. */
export function transferSentence({ transfer, outcome }, nameOf) {
  const who = nameOf((transfer ?? outcome)?.to_agent_id) ?? "Your colleague";
  switch ((transfer ?? outcome)?.state) {
    case undefined: return "";
    case "requested": return transfer.kind === "cold" ? "Waiting for somebody to take over." : "Waiting for a colleague to help.";
    case "consulting": return `${who} helps you. The customer does not see it.`;
    case "conference": return `${who} talks with the customer and you.`;
    case "completed": return `${who} has taken over.`;
    default: return ENDS[outcome.reason] ?? `The transfer is over (${(outcome.reason ?? "").replaceAll("_", " ")}). The conversation stays yours.`;
  }
}

/** Our part in the conversation, if it is not ours. */
export function roleSentence({ role, helps }, nameOf) {
  if (role === "owner") return "";
  const whom = nameOf(helps) ?? "a colleague";
  return role === "consultant" ? `You help ${whom}. The customer does not see you.` : `You talk with the customer together with ${whom}.`;
}

/** How an e-mail is answered. */
export const MODES = { reply: "Reply", reply_all: "Reply to all", forward: "Forward" };

/** What became of a message. */
export const MARKS = {
  sent: "sent", delivered: "delivered", read: "read", failed: "not delivered", unknown: "nobody knows whether it was sent",
};

const WHY = {
  window_closed: "The customer wrote too long ago for free text",
  blocked: "The customer has blocked us",
  recipient_unknown: "Nobody can be reached by this address",
  recipient_opted_out: "The customer does not want to be written to here",
  content_refused: "The channel does not take this text or file",
  not_authorised: "Our account may not send this; an administrator has to see to it",
  provider_away: "The provider could not be reached for too long",
  words_gone: "It is too long ago: the words are not kept any more",
  file_gone: "The file is not kept any more",
  file_too_large: "The file is too large for the channel",
  recipient_full: "The mailbox is full",
  message_too_large: "The message is too large for the customer's mail server",
  address_unsupported: "The mail server does not take addresses with such letters",
  recipient_suppressed: "Mail to this address is stopped, as earlier mail came back",
  bounced: "It came back",
};
const WITH_DETAIL = ["content_refused", "not_authorised"];

/** Why a message was not delivered; of a reason that the page does not know what the channel says, or its code. */
export function whySentence(reason, detail) {
  const sentence = WHY[reason];
  if (!sentence) return detail ?? reason;
  return detail && WITH_DETAIL.includes(reason) ? `${sentence} (${detail})` : sentence;
}

/** Who of several did not get a message, and who called it unwanted. */
export function missedSentence({ recipients = [], why }) {
  const named = (found, words) => (found.length ? `${words} ${found.join(", ")}` : "");
  const missed = recipients.filter(({ status }) => status === "failed").map(({ address, reason }) => (reason ? `${address} (${reason})` : address));
  const unwanted = recipients.filter(({ reason }) => reason === "complained").map(({ address }) => address);
  return [named(missed, "not to"), named(unwanted, "called unwanted by"), why === "complained" ? "called unwanted" : ""].filter(Boolean).join(" · ");
}

/** Whether and how long the customer may be written to freely; empty where the channel has no such rule. */
export function windowSentence(shape, nowMs) {
  if (!shape) return "";
  if (shape.window.basis === "blocked") return "The customer has blocked us: nothing can be sent.";
  if (shape.free_text === null) return "It is not known here whether free text may be sent now.";
  const left = shape.free_text_until_ms === null ? null : shape.free_text_until_ms - nowMs;
  if (shape.free_text && left > 0) return `You may write freely for ${duration(left)} more.`;
  if (shape.free_text && left === null) return "";
  return shape.templates ? "The customer wrote too long ago for free text. Send a template." : "The customer cannot be written to until they write again.";
}
