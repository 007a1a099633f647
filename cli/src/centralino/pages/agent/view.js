// Draws the desk. Nothing here changes it: what the agent does is told to `actions`.
import { byId, drawList, duration, make, setText, timeOfDay, typingDots } from "/shared/dom.js";

byId("typing").append(typingDots());

export function draw(desk, actions) {
  drawState(desk.state);
  drawOffers(desk, actions);
  drawConversations(desk, actions);
  drawRoom(desk);
}

function drawState({ state, reason_code: reason }) {
  const select = byId("state");
  const value = `${state}:${reason ?? ""}`;
  if (![...select.options].some((option) => option.value === value)) {
    select.append(make("option", { value }, `${state === "ready" ? "Ready" : "Not ready"} (${(reason ?? "").replaceAll("_", " ")})`));
  }
  select.value = value;
  select.className = state;
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
    make("h3", {}, `Chat for ${offer.queue}`),
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
    id: (found) => found.interactionId,
    build: (found) => make("li", {}, make("button", { type: "button", onclick: () => actions.choose(found.interactionId) },
      make("span"), make("span", { className: "quiet last" }))),
    update: (row, found) => {
      const [button] = row.children;
      button.className = found.interactionId === desk.chosen ? "chosen" : "";
      button.firstChild.className = found.unread ? "unread" : "";
      setText(button.firstChild, found.name);
      setText(button.lastChild, found.wrapup ? "wrap-up" : found.messages.at(-1)?.text ?? found.queue);
    },
  });
  byId("no-conversations").hidden = conversations.length > 0;
}

function drawRoom(desk) {
  const found = desk.current;
  byId("empty-room").hidden = Boolean(found);
  byId("room").hidden = !found;
  if (!found) return;
  if (byId("room").dataset.id !== found.interactionId) byId("disposition").value = "";
  byId("room").dataset.id = found.interactionId;
  byId("customer-name").textContent = found.name;
  byId("room-facts").textContent = `${found.channel} · ${found.queue}${found.wrapup ? " · wrap-up: the conversation is over" : ""}`;
  byId("end").hidden = found.wrapup;
  byId("compose").hidden = found.wrapup;
  const list = byId("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  drawList(list, found.messages, {
    id: (message) => message.id,
    build: () => make("li", {}, make("span", { className: "bubble" }), make("span", { className: "stamp" })),
    update: (item, message) => updateMessage(item, message, found),
  });
  if (atEnd) list.scrollTop = list.scrollHeight;
  byId("typing").hidden = !found.typing;
}

function updateMessage(item, message, found) {
  const mine = message.from === "agent";
  const mark = message.failed ?? (message.pending ? "sending" : mine && message.number <= found.deliveredNumber ? "delivered" : "");
  item.className = `message${mine ? " mine" : ""}${message.failed ? " failed" : message.pending ? " pending" : ""}`;
  setText(item.firstChild, message.text ?? "");
  setText(item.lastChild, `${timeOfDay(message.at_ms)}${mark ? ` · ${mark}` : ""}`);
}

/** The customer's facts and past, from the CRM. */
export function drawStory(interaction, entries) {
  const customer = interaction?.customer;
  const facts = make("dl", {});
  for (const identifier of customer?.identifiers ?? []) {
    facts.append(make("dt", {}, identifier.type), make("dd", {}, `${identifier.value}${identifier.verified ? " ✓" : ""}`));
  }
  const before = entries.filter((entry) => entry.interaction_id !== interaction?.interaction_id);
  const past = make("ol", {}, ...before.map((entry) => make("li", { className: entry.kind },
    make("div", {}, entry.direction === "outbound" ? `${entry.agent_id}: ${entry.summary}` : entry.summary),
    make("div", { className: "quiet" }, new Date(entry.at_ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })))));
  byId("story").replaceChildren(make("h2", {}, customer?.name ?? "Unknown customer"), facts,
    before.length ? past : make("p", { className: "quiet" }, "Nothing before this conversation."));
}

export function notice(sentence) {
  const box = byId("notice");
  box.textContent = sentence;
  box.hidden = false;
  clearTimeout(box.timer);
  box.timer = setTimeout(() => { box.hidden = true; }, 5000);
}
