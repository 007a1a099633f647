// Draws the desk. Nothing here changes it: what the agent does is told to `actions`.
import { byId, drawList, duration, make, setText, timeOfDay, typingDots } from "/shared/dom.js";
import { drawCall, isCall } from "./calls.js";
import { isCallback } from "./desk.js";
import { fileItem, mailFrame, pictureData } from "./mail.js";
import { channelWord, MARKS, missedSentence, pendingSentence, roleSentence, stateChoice, stateChoices, transferSentence } from "./words.js";

byId("typing").append(typingDots());

/** `nameOf` says an agent's name. */
export function draw(desk, actions, nameOf) {
  drawState(desk);
  drawOffers(desk, actions);
  drawConversations(desk, actions);
  drawParked(desk, actions);
  drawRoom(desk, actions, nameOf);
}

/** What was asked for last is chosen, and a sentence says so while it is still to come. */
function drawState({ state, pending, reasons }) {
  const select = byId("state");
  const shown = stateChoice(pending ?? state, reasons);
  const choices = stateChoices(reasons);
  if (!choices.some(({ value }) => value === shown.value)) choices.push({ ...shown, disabled: true });
  drawList(select, choices, {
    id: ({ value }) => value,
    build: ({ value, disabled = false }) => make("option", { value, disabled }),
    update: (option, { label }) => setText(option, label),
  });
  select.value = shown.value;
  select.className = pending ? "pending" : state.state;
  setText(byId("pending"), pending ? pendingSentence(shown.label) : "");
}

function drawOffers(desk, actions) {
  drawList(byId("offers"), [...desk.offers.values()], {
    id: (offer) => offer.offer_id,
    build: (offer) => offerCard(offer, actions),
    update: () => {},
  });
}

function offerCard(offer, actions) {
  const bar = make("i");
  const card = make("article", { className: "offer" },
    make("h3", {}, `${isCallback(offer) ? "Callback" : channelWord(offer.channel)} for ${offer.queue}`),
    make("p", { className: "quiet" }, `Waiting for ${duration(Date.now() - offer.queued_at_ms)}${because(offer.decision)}`),
    make("div", { className: "countdown" }, bar),
    make("div", { className: "actions" },
      make("button", { type: "button", className: "accept", onclick: () => actions.accept(offer.offer_id) }, "Accept"),
      make("button", { type: "button", className: "plain", onclick: () => actions.reject(offer.offer_id) }, "Decline")));
  const issued = offer.issued_at_ms ?? Date.now();
  const tick = () => {
    const left = (offer.expires_at_ms - Date.now()) / Math.max(1, offer.expires_at_ms - issued);
    bar.style.transform = `scaleX(${Math.max(0, Math.min(1, left))})`;
    if (card.isConnected && left > 0) setTimeout(tick, 250);
  };
  setTimeout(tick, 0);
  return card;
}

const EXCLUDED = {
  lacks_skill: "without the skill", not_ready: "not ready", not_present: "not here", at_capacity: "busy", refused_before: "declined it",
  not_named: "not meant",
};

/** "you were chosen of 3 who can take it; not asked: 2 without the skill, 1 not ready" */
function because(decision) {
  if (!decision) return "";
  const out = Object.entries(decision.excluded).map(([reason, count]) => `${count} ${EXCLUDED[reason] ?? reason}`);
  return ` · you were chosen of ${decision.eligible} who can take it${out.length ? `; not asked: ${out.join(", ")}` : ""}`;
}

function drawConversations(desk, actions) {
  const conversations = [...desk.conversations.values()];
  drawList(byId("conversations"), conversations, {
    id: (found) => found.assignmentId,
    build: (found) => make("li", {}, make("button", { type: "button", onclick: () => actions.choose(found.assignmentId) },
      make("span"), make("span", { className: "quiet last" }))),
    update: (row, found) => {
      const [button] = row.children;
      button.className = found === desk.current ? "chosen" : "";
      button.ariaCurrent = found === desk.current ? "true" : null;
      button.firstChild.className = found.unread ? "unread" : "";
      setText(button.firstChild, found.name);
      setText(button.lastChild, found.wrapup ? "wrap-up" : found.heldSinceMs ? "on hold" : found.messages.at(-1)?.text ?? found.queue);
    },
  });
  byId("no-conversations").hidden = conversations.length > 0;
}

function drawParked(desk, actions) {
  byId("parked-part").hidden = !desk.parked.size;
  drawList(byId("parked"), [...desk.parked.values()], {
    id: (parked) => parked.taskId,
    build: (parked) => make("li", {}, make("span", {}, `${parked.name} · ${parked.queue}`),
      make("button", { type: "button", className: "plain", ariaLabel: `Take ${parked.name} back`, onclick: () => actions.unpark(parked.taskId) }, "Take back")),
    update: () => {},
  });
}

function drawRoom(desk, actions, nameOf) {
  const found = desk.current;
  byId("empty-room").hidden = Boolean(found);
  byId("room").hidden = !found;
  if (!found) return;
  if (byId("room").dataset.id !== found.assignmentId) {
    byId("disposition").value = "";
    byId("internal").checked = false;
  }
  byId("room").dataset.id = found.assignmentId;
  byId("customer-name").textContent = found.name;
  byId("room-facts").textContent = `${found.callback ? "Callback" : channelWord(found.channel)} · ${found.queue}${found.wrapup ? " · wrap-up: the conversation is over" : ""}`;
  drawTools(found, nameOf);
  drawCall(found, desk.me, nameOf);
  if (isCall(found)) byId("window").hidden = true;
  const list = byId("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  drawList(list, found.messages, {
    id: (message) => message.id,
    build: () => messageItem(actions),
    update: (item, message) => updateMessage(item, message, { found, desk, actions, nameOf }),
  });
  if (atEnd) list.scrollTop = list.scrollHeight;
  byId("typing").hidden = !found.typing;
}

/** What can be done with it now, and how it stands. A consultant talks to colleagues alone, and transfers nothing. */
function drawTools(found, nameOf) {
  const talking = !found.wrapup;
  const owner = talking && found.role === "owner";
  const state = found.transfer?.state;
  byId("end").hidden = !owner || (found.callback && !isCall(found));
  setText(byId("end"), isCall(found) ? "Hang up" : "End");
  byId("compose").hidden = !talking || found.callback || isCall(found);
  byId("tools").hidden = !talking || found.role === "consultant";
  setText(byId("hold"), found.heldSinceMs ? "Resume" : "Hold");
  for (const name of ["transfer", "park"]) byId(name).hidden = !owner || Boolean(state);
  byId("call-back").hidden = !owner;
  for (const name of ["split", "join"]) byId(name).hidden = !owner || !found.shape?.threads;
  byId("cancel-callback").hidden = !found.callbackId || !talking;
  byId("moves").hidden = !owner || !state;
  byId("move-complete").hidden = state === "requested";
  byId("move-conference").hidden = state !== "consulting";
  setText(byId("move-cancel"), state === "conference" ? "End the conference" : "Take back");
  const sentences = [
    found.heldSinceMs ? `On hold since ${timeOfDay(found.heldSinceMs)}.` : "", talking ? roleSentence(found, nameOf) : "",
    transferSentence(found, nameOf), found.note ?? "",
  ];
  setText(byId("talk-state"), sentences.filter(Boolean).join(" "));
  byId("internal-part").hidden = found.role === "consultant" || !(found.role === "participant" || state === "consulting" || state === "conference");
  const key = found.shape?.subject ? "Ctrl+Enter" : "Enter";
  byId("text").placeholder = `${found.role === "consultant" ? "Write to your colleague." : "Answer the customer."} ${key} sends.`;
  byId("text").ariaLabel = found.role === "consultant" ? "Words for your colleague" : "Answer";
}

function messageItem(actions) {
  const item = make("li", {}, make("p", { className: "mail-head quiet" }), make("span", { className: "bubble" }), make("div", { className: "mail-part" }),
    make("details", { className: "quoted" }, make("summary", {}, "What was written before"), make("div")),
    make("ul", { className: "files" }), make("span", { className: "stamp" }),
    make("button", { type: "button", className: "plain again", textContent: "Send again" }));
  item.querySelector(".again").onclick = () => actions.resend(item.dataset.id);
  return item;
}

function updateMessage(item, message, { found, desk, actions, nameOf }) {
  const part = (name) => item.querySelector(`:scope > .${name}`);
  const mine = message.from === "agent" && (message.by === desk.me || !message.by);
  const whose = message.from === "agent" && !mine ? nameOf(message.by) : "";
  const status = message.status ?? (mine && message.number <= found.deliveredNumber ? "delivered" : "");
  const lost = message.from === "agent" && (status === "failed" || status === "unknown");
  const mark = message.failed ?? (message.pending ? "sending" : message.from === "agent" ? MARKS[status] : "");
  item.className = `message${mine ? " mine" : ""}${message.internal ? " internal" : ""}${message.failed || lost ? " failed" : message.pending ? " pending" : ""}${message.erased ? " erased" : ""}`;
  setText(part("mail-head"), mailHead(message));
  setText(part("bubble"), message.erased ? "The customer took this message back." : message.text ?? "");
  part("bubble").hidden = Boolean(message.html) || (!message.text && !message.erased);
  setText(part("quoted").lastChild, message.quoted ?? "");
  part("quoted").hidden = !message.quoted;
  setText(part("stamp"), [timeOfDay(message.at_ms), whose, message.internal ? "colleagues only" : "", message.origin ?? "", message.edited ? "edited" : "", mark,
    lost ? message.why : "", missedSentence(message), message.shortened ? "shortened" : ""].filter(Boolean).join(" · "));
  part("again").hidden = !lost || found.wrapup;
  drawFiles(part("files"), part("mail-part"), message, actions);
}

function mailHead({ subject, sender, to, cc }) {
  const named = (label, who) => (who?.length ? `${label} ${[who].flat().join(", ")}` : "");
  return [subject, named("from", sender), named("to", subject && to), named("cc", cc)].filter(Boolean).join(" · ");
}

/** Drawn once: links are asked for, and a frame that is made anew loses its place. */
function drawFiles(list, mail, message, actions) {
  const key = JSON.stringify([message.files ?? [], message.html ?? ""]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const files = message.files ?? [];
  list.replaceChildren(...files.filter((file) => !file.inline_id || !message.html).map((file) => fileItem(file, actions.linkOf, notice)));
  mail.replaceChildren();
  if (!message.html) return;
  const inline = files.filter((file) => file.inline_id && file.mime.startsWith("image/"));
  const asked = inline.map((file) => actions.linkOf(file, true).then(({ url }) => pictureData(url)).then((data) => [file.inline_id, data], () => []));
  Promise.all(asked).then((found) => { if (list.dataset.key === key) mail.replaceChildren(mailFrame(message.html, new Map(found))); });
}

// What somebody wants to know of a call that is over; the rest are its phones' comings and goings.
const OF_PAST_CALLS = new Set(["call.measured", "call.menu_chosen", "call.survey_answered", "call.transcript_attached"]);

/** The customer's facts and past, from the CRM. */
export function drawStory(interaction, entries) {
  const customer = interaction?.customer;
  const facts = make("dl", {});
  for (const identifier of customer?.identifiers ?? []) {
    facts.append(make("dt", {}, identifier.type), make("dd", {}, `${identifier.value}${identifier.verified ? " ✓" : ""}`));
  }
  const before = entries.filter((entry) => entry.interaction_id !== interaction?.interaction_id && (entry.kind !== "call" || OF_PAST_CALLS.has(entry.type)));
  const past = make("ol", {}, ...before.map((entry) => make("li", { className: entry.kind },
    make("div", {}, entry.direction === "outbound" ? `${entry.agent_id}: ${entry.summary}` : entry.summary),
    make("div", { className: "quiet" }, new Date(entry.at_ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })))));
  byId("story").replaceChildren(make("h2", {}, customer?.name ?? "Unknown customer"), facts,
    before.length ? past : make("p", { className: "quiet" }, "Nothing before this conversation."));
}

export function clearStory() {
  byId("story").replaceChildren();
}

export function notice(sentence) {
  const box = byId("notice");
  box.textContent = sentence;
  box.hidden = false;
  clearTimeout(box.timer);
  box.timer = setTimeout(() => { box.hidden = true; }, 5000);
}
