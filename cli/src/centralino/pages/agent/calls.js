// The call of a conversation: what the gateway tells of its legs and recording, and what is drawn of it.
import { byId, make, setText, timeOfDay } from "/shared/dom.js";

const KEYS = [..."123456789*0#"];

export function isCall(found) { return found?.channel === "voice"; }

export function newCall() {
  return { legs: new Map(), recording: null, muted: false, muting: null, watched: null };
}

/** What this window knows of the desk's calls, as a text that outlives a reload: nobody tells it again. */
export function callsText(desk) {
  return JSON.stringify([...desk.conversations.values()].filter(isCall).map(({ assignmentId, call }) =>
    [assignmentId, { ...call, legs: [...call.legs] }]));
}

export function recallCalls(desk, text) {
  for (const [assignmentId, call] of JSON.parse(text ?? "[]")) {
    const found = desk.conversations.get(assignmentId);
    if (found) found.call = { ...call, legs: new Map(call.legs) };
  }
}

function leg(call, data, change) {
  const { leg_id: id, party, agent_id: agentId } = data;
  call.legs.set(id, { party, agentId, ...call.legs.get(id), ...change });
}

/** Who changes what of a call: one entry for each type of frame. */
export const CALL_CHANGES = {
  "call.leg_started": (call, data, me) => {
    leg(call, data, {});
    if (data.agent_id === me) call.muted = false; // another ring of our phone begins unmuted
  },
  "call.leg_ringing": (call, data) => leg(call, data, { rings: true }),
  "call.leg_answered": (call, data) => leg(call, data, { answeredAtMs: data.answered_at_ms }),
  "call.leg_ended": (call, data) => leg(call, data, { ended: data.cause, byUs: data.by_us }),
  "call.recording_changed": (call, data) => { call.recording = data.state; },
  "call.supervised": (call, data) => { call.watched = data.mode === "over" ? null : { by: data.supervisor_id, mode: data.mode }; },
  "call.command_refused": (call, data) => {
    if (call.muting?.id === data.command_id) call.muted = call.muting.before;
  },
};

const ENDS = {
  busy: "Your phone is busy.", declined: "Your phone declined.", no_answer: "Your phone was not answered.",
  unavailable: "Your phone is not registered.", unknown_number: "Your phone's number is not known.", lost: "The telephone exchange was lost.",
};
const RECORDED = { started: "Recorded.", resumed: "Recorded.", paused: "The recording pauses.", failed: "The recording failed." };
const WATCHED = {
  spy: "listens", whisper: "speaks to you alone", barge: "talks with you both", take_over: "has taken over",
};
const REFUSED = {
  interaction_unknown: "the gateway does not know this call", interaction_ended: "the call is over", assignment_gone: "the call is not yours any more",
  role_forbids: "you only help in this call", leg_unknown: "nobody of that kind is in the call", not_recording: "the call is not recorded",
  phone_unknown: "the telephone exchange does not know this phone", keys_invalid: "these are no keys of a telephone",
  not_supported: "this telephony cannot do it",
};

/** Why the gateway did not do what was asked of a call. */
export function refusedSentence({ reason, detail }) {
  return `Not done: ${detail ?? REFUSED[reason] ?? reason.replaceAll("_", " ")}.`.replace("..", ".");
}

/** How our phone, the other side, the recording and a supervisor stand, in sentences. */
export function callSentence(found, me, nameOf) {
  const { legs, recording, muted, watched } = found.call;
  const all = [...legs.values()];
  const mine = all.findLast(({ party, agentId }) => party === "agent" && agentId === me);
  const customer = all.findLast(({ party }) => party === "customer");
  return [
    mineSentence(mine, found.heldSinceMs), customer?.ended && !customer.byUs ? "The customer has hung up." : "",
    muted ? "You are muted." : "", RECORDED[recording] ?? "", watched ? `${nameOf(watched.by)} ${WATCHED[watched.mode] ?? "listens"}.` : "",
  ].filter(Boolean).join(" ");
}

function mineSentence(mine, heldSinceMs) {
  if (!mine) return "";
  if (mine.ended) return ENDS[mine.ended] ?? "Your phone has hung up.";
  if (mine.answeredAtMs) return heldSinceMs ? "" : `Talking since ${timeOfDay(mine.answeredAtMs)}.`;
  return mine.rings ? "Your phone rings: answer it." : "Your phone is called.";
}

/** `actions`: mute, pauseRecording and press. */
export function makeKeypad(actions) {
  byId("keypad").append(...KEYS.map((key) => make("button", { type: "button", className: "plain", textContent: key, onclick: () => actions.press(key) })));
}

export function drawCall(found, me, nameOf) {
  const shown = isCall(found) && !found.wrapup;
  byId("call").hidden = !shown;
  if (!shown) return;
  const { muted, recording } = found.call;
  setText(byId("call-state"), callSentence(found, me, nameOf));
  setText(byId("mute"), muted ? "Unmute" : "Mute");
  byId("mute").ariaPressed = String(muted);
  const helps = found.role === "consultant"; // whom the customer does not hear
  byId("pause-recording").hidden = helps || !["started", "resumed", "paused"].includes(recording);
  setText(byId("pause-recording"), recording === "paused" ? "Record again" : "Pause the recording");
  byId("keypad-part").hidden = helps;
}
