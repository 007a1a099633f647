// Files and the HTML of mails. Nothing of a mail runs, and nothing that it names elsewhere is loaded.
import { make } from "/shared/dom.js";

const POLICY = "default-src 'none'; img-src data:";

/** HTML in a frame without scripts, forms, network and our origin; `pictures`: what came with it, by Content-ID, as data. */
export function mailFrame(html, pictures) {
  const mail = new DOMParser().parseFromString(html, "text/html"); // runs and loads nothing
  mail.querySelectorAll("script, style, link, meta, base, iframe, object, embed, form").forEach((each) => each.remove());
  for (const each of mail.querySelectorAll("*")) {
    for (const { name } of [...each.attributes]) if (name === "style" || name === "srcset" || name.startsWith("on")) each.removeAttribute(name);
  }
  for (const picture of mail.querySelectorAll("[src]")) {
    const inline = /^cid:(.+)$/i.exec(picture.getAttribute("src"));
    const data = inline && pictures.get(inline[1]);
    if (data) picture.setAttribute("src", data);
    else picture.removeAttribute("src");
  }
  const head = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
  const frame = make("iframe", { className: "mail", title: "The mail as its sender laid it out", referrerPolicy: "no-referrer" });
  frame.setAttribute("sandbox", "");
  frame.srcdoc = `<!doctype html>${head}${mail.body.innerHTML}`;
  return frame;
}

/** A picture as data: a frame without an origin may load nothing from ours. */
export async function pictureData(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  const content = await answer.blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(content);
  });
}

/** A file of a message: pictures in place, all else to be saved. `linkOf` asks for a signed link. */
export function fileItem(file, linkOf, problem) {
  const save = make("button", { type: "button", className: "plain" }, `${file.name} · ${size(file.size_bytes)}`);
  save.onclick = async () => {
    try {
      make("a", { href: (await linkOf(file, false)).url, download: file.name }).click();
    } catch (error) {
      problem(error.message);
    }
  };
  const item = make("li", {}, save);
  if (/^image\/(jpeg|png|gif|webp)$/.test(file.mime)) {
    linkOf(file, true).then(({ url }) => item.prepend(make("img", { src: url, alt: file.name, loading: "lazy" })), () => {});
  }
  return item;
}

function size(bytes) {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
