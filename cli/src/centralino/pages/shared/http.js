// HTTP with JSON; refusals arrive as problem+json (RFC 9457) and become an Error with its sentence.

export class Problem extends Error {
  constructor(status, body) {
    const faults = (body.faults ?? []).map(({ path, message }) => `${placeWords(path)}: ${message}`);
    super([body.detail || body.title || `HTTP ${status}`, ...faults].join(" · "));
    this.status = status;
    this.code = body.code;
  }
}

/** `/cc/0` is what people call cc number 1. */
function placeWords(path) {
  return path.slice(1).split("/").map((part) => (/^\d+$/.test(part) ? `number ${Number(part) + 1}` : part)).join(" ");
}

/**
 * Ask and read JSON; every wait has an end. What may be repeated - a read, or a command with its own key - is tried
 * again while nobody answers or the service says "try later".
 */
export async function ask(method, url, options = {}) {
  const repeatable = method === "GET" || Boolean(options.headers?.["idempotency-key"]);
  for (let triesLeft = repeatable ? 4 : 0; ; triesLeft--) {
    try {
      return await askOnce(method, url, options);
    } catch (error) {
      const away = error.status === 503 || error instanceof TypeError; // fetch: the connection was refused or lost
      if (!away || triesLeft === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 + 500 * Math.random()));
    }
  }
}

/** `body` is sent as JSON, `content` (a file) as it is. */
async function askOnce(method, url, { token, body, content, headers = {} }) {
  const answer = await fetch(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: body === undefined ? content : JSON.stringify(body),
    signal: AbortSignal.timeout(content ? 300_000 : 10_000),
  });
  const text = await answer.text();
  let json = {};
  try { json = text ? JSON.parse(text) : {}; } catch { json = { detail: text.slice(0, 200) }; }
  if (!answer.ok) throw new Problem(answer.status, json);
  return json;
}
