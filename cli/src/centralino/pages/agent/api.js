// The calls that the agent's page makes: the router's API, and the CRM for the customer's story.
import { ask } from "/shared/http.js";
import { newId } from "/shared/dom.js";

const ROUTER = "/router/v1";

const TENANT = new URLSearchParams(location.search).get("tenant") ?? "acme";

/** The development log-in of the embedded stack: who works where, and tokens for them. */
export const development = {
  configuration: async () => {
    const token = await developmentToken("supervisor", "agent-page");
    return ask("GET", `${ROUTER}/configuration`, { token });
  },
  token: (agent) => developmentToken("agent", agent.id, agent.name),
  supervisorToken: (person) => developmentToken("supervisor", person.id, person.name),
};

async function developmentToken(role, subject, name) {
  const { token } = await ask("POST", `${ROUTER}/development/tokens`, { body: { role, subject, tenant: TENANT, name } });
  return token;
}

/** Where other services are: on their own ports in the embedded stack, at our own origin behind one front. */
export async function origins() {
  try {
    const { crm = "", "voice-gateway": voice = "" } = await ask("GET", "/shared/addresses.json");
    return { crm, voice };
  } catch {
    return { crm: "", voice: "" };
  }
}

const TRACES_MAX = 200;

export class Api {
  constructor(token, { crm, voice }) {
    Object.assign(this, { token, crm, voice });
    this.traces = new Map(); // offer or assignment id -> the trace context that its frame came with
  }

  /** What the agent does about an offer or an assignment belongs to the contact's trace. */
  heard({ traceparent, data }) {
    if (!traceparent) return;
    for (const id of [data.offer_id, data.assignment_id]) if (id) this.traces.set(id, traceparent);
    while (this.traces.size > TRACES_MAX) this.traces.delete(this.traces.keys().next().value);
  }

  get(path) { return ask("GET", ROUTER + path, { token: this.token }); }

  /** A command: a retry with the same key gets the first result. */
  command(method, path, body = method === "DELETE" ? undefined : {}) {
    const traceparent = this.traces.get(decodeURIComponent(path.split("/")[2] ?? ""));
    const headers = { "idempotency-key": newId(), ...(traceparent && { traceparent }) };
    return ask(method, ROUTER + path, { token: this.token, body, headers });
  }

  me() { return this.get("/me"); }
  dispositions() { return this.get("/me/dispositions"); }
  setState(state, reasonCode) { return this.command("PUT", "/me/state", { state, reason_code: reasonCode || null }); }
  accept(offerId) { return this.command("POST", `/offers/${encodeURIComponent(offerId)}/accept`); }
  reject(offerId) { return this.command("POST", `/offers/${encodeURIComponent(offerId)}/reject`, { reason: "declined" }); }
  /** `message`: what goes beside its id: text, visibility, template, files, ... */
  say(assignmentId, messageId, message) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/messages`, { message_id: messageId, ...message });
  }
  resend(assignmentId, messageId) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/messages/${encodeURIComponent(messageId)}/resend`);
  }
  split(assignmentId, messageIds) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/split`, { message_ids: messageIds });
  }
  join(assignmentId, interactionId) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/join`, { interaction_id: interactionId });
  }
  /** channel, replies or templates. */
  written(assignmentId, what) { return this.get(`/assignments/${encodeURIComponent(assignmentId)}/${what}`); }
  fileLink(assignmentId, { blob_id: blobId, name }, inline) {
    return this.get(`/assignments/${encodeURIComponent(assignmentId)}/files/${encodeURIComponent(blobId)}?${new URLSearchParams({ name, inline })}`);
  }
  async upload(assignmentId, file) {
    const url = `${ROUTER}/assignments/${encodeURIComponent(assignmentId)}/files?${new URLSearchParams({ name: file.name })}`;
    return ask("POST", url, { token: this.token, content: file });
  }
  hold(assignmentId, held) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/${held ? "hold" : "retrieve"}`);
  }
  /** Of a call: `keys` (POST), `mute` or `recording` (PUT). What comes of it is told by the socket. */
  call(assignmentId, what, body) {
    return this.command(what === "keys" ? "POST" : "PUT", `/assignments/${encodeURIComponent(assignmentId)}/call/${what}`, body);
  }
  /** spy, whisper, barge or take_over; none: no more. */
  supervise(agentId, assignmentId, mode) {
    const path = `/agents/${encodeURIComponent(agentId)}/assignments/${encodeURIComponent(assignmentId)}/supervision`;
    return mode ? this.command("POST", path, { mode }) : this.command("DELETE", path);
  }
  park(assignmentId, untilMs) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/park`, { until_ms: untilMs });
  }
  unpark(taskId) { return this.command("POST", `/tasks/${encodeURIComponent(taskId)}/unpark`); }

  /** `wish`: kind (cold or consult), one target (queue, agent_id or escalate), forced. */
  transfer(assignmentId, wish) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/transfer`, wish);
  }
  /** complete, conference or cancel. */
  moveTransfer(transferId, move) { return this.command("POST", `/transfers/${encodeURIComponent(transferId)}/${move}`); }

  /** Ask for a callback and learn whether there will be one: a request is decided after it is taken. */
  async callBack(wish) {
    await this.command("POST", "/task-requests", { kind: "callback", ...wish });
    for (let triesLeft = 8; ; triesLeft--) {
      try {
        return await this.get(`/commands/${encodeURIComponent(wish.request_id)}`);
      } catch (error) {
        if (error.code !== "result_unknown" || triesLeft === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
    }
  }
  end(assignmentId, seenNumber) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/end`, { then: "close", seen_number: seenNumber });
  }
  complete(assignmentId, disposition, seenNumber) {
    return this.command("POST", `/assignments/${encodeURIComponent(assignmentId)}/complete`,
      { disposition: disposition || null, then: "close", seen_number: seenNumber });
  }

  cancelCallback(requestId) { return this.command("DELETE", `/interactions/${encodeURIComponent(requestId)}/callback`); }

  /** Where to connect: a single-use ticket, the last sequence that was read, and on what the agent works. */
  async socketUrl(after, device, kind) {
    const { ticket } = await this.command("POST", "/socket-tickets");
    const url = new URL(`${ROUTER}/agent-socket`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ ticket, after, device, kind });
    return url;
  }

  /** Our phone, as the configuration has it: `kind`, and what it needs to register. It gets a new password each time. */
  phone() { return ask("POST", `${this.voice}/voice/v1/phone`, { token: this.token, body: {} }); }
  /** A simulated phone as it is, and its buttons: answer, decline, hang_up, hold. */
  simulated(phone) { return ask("GET", this.simulatedUrl(phone), { token: this.token }); }
  pressSimulated(phone, button, body = {}) { return ask("POST", `${this.simulatedUrl(phone)}/${button}`, { token: this.token, body }); }
  simulatedUrl(phone) { return `${this.voice}/voice/v1/simulated/phones/${encodeURIComponent(phone)}`; }

  crmGet(path) { return ask("GET", `${this.crm}/crm/v1${path}`, { token: this.token }); }
  interaction(id) { return this.crmGet(`/interactions/${encodeURIComponent(id)}`); }
  messages(id) { return this.crmGet(`/interactions/${encodeURIComponent(id)}/messages?limit=200`); }
  /** The newest; a call has dozens of them. */
  timeline(customerId) { return this.crmGet(`/customers/${encodeURIComponent(customerId)}/timeline?limit=200`); }
}
