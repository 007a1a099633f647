// The agent's phone where the page has a part in it: a phone in this browser, or one that is only simulated.
// Another (a telephone on the desk, a number) rings by itself and is not seen here.
import { byId, setText } from "/shared/dom.js";

const LOOK_MS = 1000; // a simulated phone is looked at so often
const PHONES = { simulated: startSimulated, browser: startBrowser };

/** For who has a phone by the configuration. */
export async function startPhone(api, problem) {
  const given = await api.phone();
  const phone = await PHONES[given.kind]?.(api, given, problem);
  if (!phone) return;
  byId("phone").hidden = false;
  setText(byId("phone-kind"), phone.kind);
  for (const button of ["answer", "decline", "hang-up", "hold"]) {
    byId(`phone-${button}`).onclick = () => Promise.resolve(phone.press(button)).catch((error) => problem(error.message));
  }
}

function draw({ words, rings, talks, held = false }) {
  setText(byId("phone-state"), words);
  byId("phone-answer").hidden = byId("phone-decline").hidden = !rings;
  byId("phone-hang-up").hidden = byId("phone-hold").hidden = !talks;
  byId("phone-hold").ariaPressed = String(held);
}

/** What a simulated phone hears, for people: words, and whose phone; nodes know agents' phones by names like a1f0... */
function heardAs(name) {
  if (name.startsWith("words:")) return `“${name.slice("words:".length)}”`;
  return /^a[0-9a-f]{20}$/.test(name) ? "another agent" : name;
}

function startSimulated(api, { endpoint_id: phone }, problem) {
  let held = false;
  let lost = false;
  async function look() {
    try {
      const { rings, talks, shown, hears } = await api.simulated(phone);
      held &&= talks;
      lost = false;
      const heard = hears.length ? ` It hears ${hears.map(heardAs).join(", ")}.` : " It hears nothing.";
      draw({ rings, talks, held, words: rings ? `Rings: ${shown ?? "number withheld"}.` : talks ? `Talks.${heard}` : "Idle." });
    } catch (error) {
      if (!lost) problem(`The simulated phone: ${error.message}`);
      lost = true;
    }
  }
  async function lookOn() {
    await look();
    setTimeout(lookOn, LOOK_MS);
  }
  lookOn();
  return {
    kind: "Simulated call: no telephone rings. Its buttons are here.",
    press: async (button) => {
      if (button === "hold") held = !held;
      await api.pressSimulated(phone, button.replace("-", "_"), button === "hold" ? { held } : {});
      await look();
    },
  };
}

/** `given`: url (of SIP over WebSocket, RFC 7118), domain, endpoint_id, password. */
async function startBrowser(api, given, problem) {
  const { UA, WebSocketInterface } = await import("/shared/jssip.js");
  let call = null;
  let registered = false;
  const agent = new UA({
    sockets: [new WebSocketInterface(given.url)], uri: `sip:${given.endpoint_id}@${given.domain}`,
    password: given.password, session_timers: false, user_agent: "Centralino",
  });
  const show = () => draw({
    rings: Boolean(call) && !call.isEstablished(), talks: Boolean(call?.isEstablished()), held: Boolean(call?.isOnHold().local),
    words: !call ? (registered ? "Registered: calls ring here." : "Not registered.")
      : call.isEstablished() ? "Talks." : `Rings: ${call.remote_identity.display_name || call.remote_identity.uri.user}.`,
  });
  const answer = () => call.answer({ mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: given.ice_servers ?? [] } });
  agent.on("registered", () => { registered = true; show(); });
  agent.on("unregistered", () => { registered = false; show(); });
  agent.on("registrationFailed", ({ cause }) => { registered = false; show(); problem(`Your phone could not register: ${cause}`); });
  agent.on("disconnected", () => { registered = false; show(); });
  agent.on("newRTCSession", ({ session, originator, request }) => {
    if (originator !== "remote" || call) { session.terminate({ status_code: 486 }); return; }
    call = session;
    for (const event of ["accepted", "confirmed", "hold", "unhold"]) session.on(event, show);
    const over = () => { call = null; byId("phone-sound").srcObject = null; show(); };
    session.on("ended", over);
    session.on("failed", over);
    session.on("getusermediafailed", () => problem("This browser gives no microphone: allow it, and answer again."));
    session.on("peerconnection", ({ peerconnection }) => {
      peerconnection.addEventListener("track", ({ streams: [stream] }) => { byId("phone-sound").srcObject = stream; });
    });
    if (/answer-after=0/.test(request.getHeader("Call-Info") ?? "")) answer();
    show();
  });
  agent.start();
  addEventListener("pagehide", () => agent.stop());
  show();
  return {
    kind: "This browser is your phone.",
    press: (button) => {
      if (button === "answer") answer();
      else if (button === "hold") call[call.isOnHold().local ? "unhold" : "hold"]();
      else call?.terminate(button === "decline" && !call.isEstablished() ? { status_code: 603 } : {});
      show();
    },
  };
}
