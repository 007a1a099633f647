// A list of conversations, as on a phone: all of it through the control API.

const byId = (id) => document.getElementById(id);
const about = new Map(); // provider name -> what /simulator says of it
const talks = new Map(); // "provider customer" -> { provider, customer, name, messages }
const only = new URLSearchParams(location.search).get("provider"); // whose page this is; none: everybody's
let current = null;

async function ask(method, path, body) {
  const answer = await fetch(`/simulator${path}`, {
    method,
    headers: body ? { "content-type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(typeof value.detail === "string" ? value.detail : "that cannot be done");
  return value;
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children); // text is never read as HTML
  return element;
}

function talkOf(provider, customer) {
  const key = `${provider} ${customer}`;
  if (!talks.has(key)) talks.set(key, { key, provider, customer, name: customer, messages: [], unread: 0 });
  return talks.get(key);
}

function words(message) {
  const parts = [message.text, message.emoji, message.location && `at ${message.location.join(", ")}`];
  if (message.file) parts.push(`${message.file.name} (${message.file.mime}, ${message.file.size_bytes} bytes)`);
  return parts.filter(Boolean).join("\n");
}

function drawTalks() {
  const rows = [...talks.values()].sort((a, b) => (b.messages.at(-1)?.number ?? 0) - (a.messages.at(-1)?.number ?? 0));
  byId("conversations").replaceChildren(...rows.map((talk) => {
    const last = talk.messages.at(-1);
    const unread = talk.unread ? ` (${talk.unread} new)` : "";
    const button = make("button", { type: "button", onclick: () => choose(talk) },
      `${talk.name}${unread}`, make("small", {}, `${about.get(talk.provider).title}: ${last ? words(last) : ""}`));
    button.setAttribute("aria-current", String(talk === current));
    return make("li", {}, button);
  }));
}

function drawMessages() {
  if (!current) return;
  const list = byId("messages");
  byId("title").textContent = `${current.name}, ${about.get(current.provider).title}`;
  list.replaceChildren(...current.messages.map((message) => {
    const when = new Date(message.at_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const who = message.from_customer ? when : `the centre, ${when}`;
    return make("li", { className: message.from_customer ? "mine" : "" }, words(message), make("small", {}, who));
  }));
  list.scrollTop = list.scrollHeight;
}

function choose(talk) {
  current = talk;
  talk.unread = 0;
  const can = about.get(talk.provider).can;
  byId("compose").hidden = false;
  byId("read").hidden = !can.includes("read");
  byId("block").hidden = !can.includes("block");
  byId("block").textContent = talk.blocked ? "Unblock" : "Block";
  byId("file").disabled = !can.includes("file");
  drawTalks();
  drawMessages();
  byId("text").focus();
}

/** Do it, and say on the page what went wrong. */
async function attempt(act) {
  byId("problem").textContent = "";
  try {
    await act();
  } catch (error) {
    byId("problem").textContent = error.message;
  }
}

function take(provider, message) {
  const talk = talkOf(provider, message.customer);
  if (talk.messages.some((one) => one.number === message.number)) return;
  talk.messages.push(message);
  if (talk.messages.length > 500) talk.messages.shift();
  if (!message.from_customer && talk !== current) talk.unread += 1;
}

async function refreshNames(provider) {
  for (const customer of await ask("GET", `/${provider}/customers`)) {
    Object.assign(talkOf(provider, customer.id), { name: customer.name, blocked: customer.blocked });
  }
}

/** What was said at one provider since the last time. */
async function refresh(provider, seen) {
  const news = await ask("GET", `/${provider}/messages?after=${seen.get(provider) ?? 0}`);
  seen.set(provider, news.next);
  if (!news.messages.length) return;
  news.messages.forEach((message) => take(provider, message));
  await refreshNames(provider);
  drawTalks();
  drawMessages();
}

/** For as long as the page is open. Nothing here waits for news: a browser holds six connections to one host, and
 * a request that waits at each of ten providers would leave none to write with. */
async function follow(providers) {
  const seen = new Map();
  for (;;) {
    for (const provider of providers) await refresh(provider, seen).catch(() => {}); // away: asked again
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function base64Of(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const provider = byId("provider").value;
    const made = await ask("POST", `/${provider}/customers`, { name: byId("name").value });
    const talk = Object.assign(talkOf(provider, made.id), { name: made.name, blocked: made.blocked });
    byId("name").value = "";
    choose(talk);
  });
});

byId("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const [file] = byId("file").files;
    const said = { customer: current.customer, text: byId("text").value };
    if (!said.text && !file) return;
    if (file) {
      const mime = file.type || "application/octet-stream";
      said.file = { name: file.name, mime, content: await base64Of(file) };
    }
    await ask("POST", `/${current.provider}/say`, said);
    byId("text").value = byId("file").value = "";
  });
});

byId("read").addEventListener("click", () => attempt(async () => {
  const last = current.messages.filter((message) => !message.from_customer).at(-1);
  if (!last) throw new Error("there is nothing to read yet");
  await ask("POST", `/${current.provider}/status`, { message_id: last.id, status: "read" });
}));

byId("block").addEventListener("click", () => attempt(async () => {
  const asked = { customer: current.customer, blocked: !current.blocked };
  current.blocked = (await ask("POST", `/${current.provider}/customers`, asked)).blocked;
  choose(current);
}));

await attempt(async () => {
  for (const each of await ask("GET", "")) {
    if (only !== null && each.name !== only) continue;
    about.set(each.name, each);
    byId("provider").append(make("option", { value: each.name }, each.title));
  }
  if (about.size === 0) throw new Error("there is no such provider");
  for (const provider of about.keys()) await refreshNames(provider);
  drawTalks();
  follow([...about.keys()]);
});
