// What both pages share: a credential that stays in this tab, requests that carry it, elements made without any HTML.
const KEPT = "gatehouse-credential";
let credential = "";
try {
  credential = sessionStorage.getItem(KEPT) ?? "";
} catch {} // storage is off: the credential lasts as long as the page

export const known = () => credential !== "";

export function keep(text) {
  credential = text;
  try {
    if (text) sessionStorage.setItem(KEPT, text);
    else sessionStorage.removeItem(KEPT);
  } catch {}
}

// The service, or the way to it, said no: `message` is its sentence, `field` the input that it names
export class Refused extends Error {
  constructor(status, sentence, field = null) {
    super(sentence);
    this.status = status;
    this.field = field;
  }
}

// Ask the service; returns the text of its answer, throws Refused
export async function ask(path, body) {
  if (!/^[\x21-\x7e]*$/.test(credential)) throw new Refused(401, "That is no key: it holds spaces, or letters that no key has.");
  const headers = credential ? { authorization: `Bearer ${credential}` } : {};
  const sent = body === undefined ? {} : { method: "POST", body };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer, text;
  try {
    answer = await fetch(path, { headers, cache: "no-store", credentials: "omit", ...sent });
    text = await answer.text();
  } catch {
    throw new Refused(0, "The service cannot be reached; does it still run?");
  }
  if (answer.ok) return text;
  let said = {};
  try {
    said = JSON.parse(text) ?? {};
  } catch {} // something between answered, in a language of its own
  throw new Refused(answer.status, said.detail ?? said.error ?? said.message ?? `The service answered ${answer.status}.`, said.field);
}

// Make an element: `p.lead` is one of a class; what is inside is nodes and texts, never mark-up
export function el(name, attributes = {}, ...inside) {
  const [tag, kind] = name.split(".");
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

// Show a page: `show` asks and fills; where the service wants a key, the door stands before it
export function begin(show) {
  const door = document.getElementById("door");
  const field = document.getElementById("credential");
  const says = document.getElementById("door-says");
  const forget = document.getElementById("forget");
  const place = document.getElementById("model");

  const open = async () => {
    const tried = known();
    try {
      await show(place);
      door.hidden = true;
      forget.hidden = !known();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      place.replaceChildren();
      const asks = error.status === 401 || (error.status === 403 && tried); // else no key would help
      if (asks) keep("");
      forget.hidden = true;
      door.hidden = !asks;
      says.textContent = asks && tried ? error.message : "";
      if (!asks) place.append(el("p.says", { role: "alert" }, error.message));
      else if (tried) field.focus();
    }
  };
  door.addEventListener("submit", (event) => {
    event.preventDefault();
    keep(field.value.trim());
    field.value = "";
    open();
  });
  forget.addEventListener("click", () => {
    keep("");
    open();
  });
  return open();
}

// A table that scrolls within itself, and is reached by keyboard
export function grid({ title, heads, rows, right }) {
  const kind = (tag, head) => (right.includes(head) ? `${tag}.number` : tag);
  const cell = (text, place) => {
    if (place === 0) return el("th", { scope: "row" }, text);
    const tag = heads[place] === "verdict" ? `td.word ${text}` : kind("td", heads[place]);
    return el(tag, {}, text);
  };
  return el(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": title },
    el(
      "table",
      {},
      el("caption", {}, title),
      el("thead", {}, el("tr", {}, heads.map((head) => el(kind("th", head), { scope: "col" }, head)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell)))),
    ),
  );
}
