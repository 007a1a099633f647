// Mail that the stack has sent, newest first. Nothing of a mail runs, and nothing that it names elsewhere is loaded.
import { byId, drawList, make, setText, timeOfDay } from "/shared/dom.js";

const API = "/mailbox/v1/messages";
const EVERY_MS = 1500;
const POLICY = "default-src 'none'; img-src data:";
let chosen = null;

async function ask(path) {
  const answer = await fetch(API + path, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(answer.status === 404 ? "This message is not there any more." : `The sink answers ${answer.status}.`);
  return answer.json();
}

/** Do it, and say there what went wrong. */
async function attempt(act, place) {
  try {
    await act();
    if (place === "problem") setText(byId(place), "");
  } catch (error) {
    setText(byId(place), error.name === "TypeError" || error.name === "TimeoutError" ? "The sink does not answer." : error.message);
  }
}

function drawMessages(messages) {
  setText(byId("none"), messages.length ? "" : "Nothing yet.");
  drawList(byId("messages"), messages, {
    id: (message) => String(message.number),
    build: (message) => make("li", {}, make("button", { type: "button", onclick: () => attempt(() => choose(message.number), "problem") },
      make("span", {}, message.subject || "(no subject)"),
      make("small", {}, `to ${message.recipients.join(", ")} · ${timeOfDay(message.received_at_ms)}`))),
    update: (element, message) => element.firstChild.setAttribute("aria-current", String(message.number === chosen)),
  });
}

function frame(html) {
  const shown = make("iframe", { title: "The mail as HTML", referrerPolicy: "no-referrer" });
  shown.setAttribute("sandbox", "");
  shown.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${POLICY}">${html}`;
  return shown;
}

async function choose(number) {
  const mail = await ask(`/${number}`);
  chosen = number;
  const head = { From: [mail.sender], To: mail.to, Cc: mail.cc, "Answers go to": mail.reply_to, "Given to": mail.recipients };
  setText(byId("subject"), mail.subject || "(no subject)");
  byId("head").replaceChildren(...Object.entries(head).filter(([, value]) => value.length)
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value.join(", "))]));
  byId("files").replaceChildren(...mail.files.map((file) => make("li", {}, `${file.name} · ${file.mime} · ${file.size_bytes} bytes`)));
  byId("html").replaceChildren(...(mail.html ? [frame(mail.html)] : []));
  setText(byId("text"), mail.text);
  setText(byId("fields"), mail.headers.map(([name, value]) => `${name}: ${value}`).join("\n"));
  byId("raw").href = `${API}/${number}/raw`;
  byId("mail").hidden = false;
  for (const each of byId("messages").children) each.firstChild.setAttribute("aria-current", String(each.dataset.id === String(number)));
}

for (;;) {
  await attempt(async () => drawMessages((await ask("?limit=200")).messages), "none");
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}
