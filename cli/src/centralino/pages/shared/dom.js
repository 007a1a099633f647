// Small helpers that both pages use.

/** The element with this id; a missing one is a mistake in the page. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element with id ${id}`);
  return found;
}

/** Make an element: `make("p", { className: "quiet" }, "text", child)`. Text is never read as HTML. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Set the text only when it differs: what did not change is not read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make `list` show one element for each item, in this order. Elements of items that stay are kept and only updated,
 * so that focus, animations and screen readers notice nothing but what is new.
 */
export function drawList(list, items, { id, build, update }) {
  const wanted = new Set(items.map(id));
  const shown = new Map();
  for (const element of [...list.children]) {
    if (wanted.has(element.dataset.id)) shown.set(element.dataset.id, element);
    else element.remove();
  }
  items.forEach((item, index) => {
    const element = shown.get(id(item)) ?? build(item);
    element.dataset.id = id(item);
    update(element, item);
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
}

/** Local time of day for UTC milliseconds. */
export function timeOfDay(instantMs) {
  return new Date(instantMs).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** `12 s`, `3 min`, `2 h`. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** A fresh id for a message or command, so that a retry is recognised. */
export function newId() {
  return crypto.randomUUID();
}

/** Three dots that say somebody is writing. */
export function typingDots() {
  return make("span", { className: "typing" }, make("i"), make("i"), make("i"));
}
