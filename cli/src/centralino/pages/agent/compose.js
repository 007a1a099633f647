// What the agent writes: text, files, templates and canned replies, as far as the conversation's channel carries them.
import { byId, drawList, make, setText } from "/shared/dom.js";
import { MODES, windowSentence } from "./words.js";

const FIELDS = ["mode", "mail-to", "mail-cc", "mail-bcc", "mail-subject"];

export class Composer {
  /** `problem` shows a sentence, `redraw` draws the page. */
  constructor(api, problem, redraw) {
    Object.assign(this, { api, problem, redraw, found: null, template: null });
    byId("attach").onclick = () => byId("file").click();
    byId("file").onchange = () => this.attach([...byId("file").files]);
    byId("replies").onchange = () => this.takeReply(byId("replies").value);
    byId("templates").onchange = () => this.takeTemplate(byId("templates").value);
    byId("variables").oninput = () => this.preview();
  }

  /** What goes along with what is being written; it stays with its conversation. */
  get files() { return this.found?.attached ?? []; }
  set files(files) { if (this.found) this.found.attached = files; }

  /** Ask anew what the channel can carry: the window has changed, or it is seen for the first time. */
  async load(found) {
    found.loading = true;
    try {
      const [shape, replies, templates] = await Promise.all(
        ["channel", "replies", "templates"].map((what) => this.api.written(found.assignmentId, what)));
      Object.assign(found, { shape, replies, templates });
    } catch (error) {
      found.shape ??= null; // as plain text then; a refusal says more
    }
    found.loading = false;
    this.redraw();
  }

  draw(found) {
    if (found !== this.found) this.begin(found);
    if (!found) return;
    if ((found.shape === undefined || found.windowChanged) && !found.loading && !found.wrapup && !found.callback) {
      found.windowChanged = false;
      this.load(found);
    }
    const { shape, replies = [], templates = [] } = found;
    const sentence = windowSentence(shape, Date.now());
    setText(byId("window"), sentence);
    byId("window").hidden = !sentence;
    byId("window").className = shape?.free_text === false ? "window bad" : "window";
    byId("attach").hidden = !shape?.files.types.length;
    byId("file").accept = (shape?.files.types ?? []).filter((type) => type !== "*/*").join(",");
    byId("mail").hidden = !shape?.subject;
    drawModes(shape);
    byId("text").rows = shape?.subject ? 6 : 2;
    byId("text").readOnly = Boolean(this.template);
    options(byId("replies"), "Canned reply…", replies);
    options(byId("templates"), "Template…", templates.map(({ id, name, language }) => ({ id, name: `${name} (${language})` })));
    byId("writing").hidden = [byId("attach"), byId("replies"), byId("templates")].every((each) => each.hidden);
    drawList(byId("attached"), this.files, {
      id: (file) => file.key,
      build: (file) => make("li", {}, make("span"), make("button", {
        type: "button", className: "plain", ariaLabel: `Remove ${file.name}`, textContent: "×",
        onclick: () => { this.files = this.files.filter((other) => other !== file); this.redraw(); },
      })),
      update: (item, file) => setText(item.firstChild, file.blob ? file.name : `${file.name}: uploading`),
    });
  }

  /** Another conversation: what was written in the one before stays there, and nothing of it is sent here. */
  begin(found) {
    if (this.found) {
      const fields = Object.fromEntries(FIELDS.map((name) => [name, byId(name).value]));
      this.found.draft = { text: this.template ? "" : byId("text").value, fields };
    }
    const { text = "", fields = {} } = found?.draft ?? {};
    Object.assign(this, { found, template: null });
    byId("variables").replaceChildren();
    byId("templates").value = "";
    byId("text").value = text;
    drawModes(found?.shape);
    this.setFields(fields);
  }

  setFields(fields) {
    for (const name of FIELDS) byId(name).value = fields[name] ?? (name === "mode" ? "reply" : "");
  }

  async attach(chosen) {
    byId("file").value = "";
    const found = this.found;
    await Promise.all(chosen.map(async (each) => {
      const file = { key: crypto.randomUUID(), name: each.name, blob: null };
      found.attached = [...(found.attached ?? []), file];
      this.redraw();
      try {
        file.blob = await this.api.upload(found.assignmentId, each);
      } catch (error) {
        found.attached = found.attached.filter((other) => other !== file);
        this.problem(`${each.name}: ${error.message}`);
      }
      this.redraw();
    }));
  }

  /** Into the text, with what the CRM knows; the rest stays for the agent to fill. */
  takeReply(id) {
    const reply = this.found.replies.find((each) => each.id === id);
    byId("replies").value = "";
    if (!reply) return;
    const known = Object.fromEntries(Object.entries(this.found.facts ?? {}).filter(([, value]) => value));
    const text = filled(reply, known);
    byId("text").value = [byId("text").value, text].filter(Boolean).join("\n");
    byId("text").focus();
  }

  takeTemplate(id) {
    this.template = this.found.templates.find((each) => each.id === id) ?? null;
    const names = this.template?.variables ?? [];
    byId("variables").replaceChildren(...names.map((name) => make("label", {}, `${name.replaceAll("_", " ")} `,
      make("input", { name, required: true, maxLength: 1000, value: this.found.facts?.[name] ?? "" }))));
    byId("text").value = "";
    this.preview();
    this.redraw();
  }

  preview() {
    if (this.template) byId("text").value = filled({ text: this.template.text, missing: this.template.variables }, this.variables());
  }

  variables() {
    return Object.fromEntries([...byId("variables").querySelectorAll("input")].map(({ name, value }) => [name, value]));
  }

  /** What is to be sent, and the page is ready for the next; null: nothing, or something is still missing. */
  taken(internal) {
    const text = byId("text").value.trim();
    if (internal) {
      if (text) byId("text").value = "";
      return text ? { text } : null;
    }
    if (this.files.some((file) => !file.blob)) { this.problem("A file is still being uploaded."); return null; }
    if (!text && !this.files.length && byId("mode").value !== "forward") return null;
    const message = { ...(this.template ? { template: this.template.id, variables: this.variables() } : { text }), ...this.mail() };
    if (this.files.length && !this.template) message.files = this.files.map((file) => file.blob.blob_id);
    this.shown = { text, subject: message.subject, files: this.template ? [] : this.files.map((file) => file.blob) };
    byId("text").value = "";
    this.setFields({}); // the next goes to the customer again, whomever this one goes to
    if (this.template) byId("templates").value = "";
    if (!this.template) this.files = [];
    this.template = null;
    byId("variables").replaceChildren();
    return message;
  }

  mail() {
    if (!this.found.shape?.subject) return {};
    const list = (name) => byId(`mail-${name}`).value.split(/[,;\s]+/).filter(Boolean);
    const given = { mode: byId("mode").value, to: list("to"), cc: list("cc"), bcc: list("bcc"), subject: byId("mail-subject").value.trim() };
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value.length));
  }
}

/** How a mail may be answered, by what the channel knows. */
function drawModes(shape) {
  const modes = (shape?.modes ?? ["reply"]).filter((mode) => MODES[mode]);
  const select = byId("mode");
  if (select.dataset.modes === modes.join()) return;
  select.dataset.modes = modes.join();
  select.replaceChildren(...modes.map((value) => make("option", { value }, MODES[value])));
}

function options(select, label, items) {
  select.hidden = !items.length;
  const key = JSON.stringify(items.map(({ id, name }) => [id, name]));
  if (select.dataset.items === key) return;
  select.dataset.items = key;
  select.replaceChildren(make("option", { value: "" }, label), ...items.map(({ id, name }) => make("option", { value: id }, name)));
}

/** The platform's texts: `{name}` is a variable; braces are doubled until nothing is missing. */
function filled({ text, missing }, values) {
  if (!missing.length) return text;
  return text.replace(/\{\{|\}\}|\{([a-z][a-z0-9_]*)\}/g, (token, name) => (name ? values[name] || token : token[0]));
}
