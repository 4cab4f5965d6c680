// A form made from the contract: it sends what was typed, as it was typed, and shows what the service answered.
import { ask, el } from "./ask.js";

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const MOST_BARS = 12; // of labels; the answer as JSON has them all
const written = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

export function form({ inputs, target, example, release }) {
  const fields = inputs.map((spec, place) => field(spec, `input-${place}`));
  const answer = el("div.answer", { role: "status" }, el("p.soft", {}, "The answer appears here."));
  const says = el("p.says", { role: "alert" });
  const command = el("code", {});
  const button = el("button", { type: "submit" }, "Predict");
  const again = el("button.quiet", { type: "button" }, "Fill in the example");
  const made = el(
    "form.panel",
    { novalidate: true, autocomplete: "off" },
    el("div.fields", {}, fields.map((one) => one.whole)),
    el("div.buttons", {}, button, again),
  );
  // Numbers are sent as they were typed: no digit is lost on the way through JavaScript's own
  const body = () => `{${inputs.map((spec, place) => `${JSON.stringify(spec.name)}:${fields[place].value()}`).join(",")}}`;
  const tell = () => (command.textContent = curl(body()));
  const fill = () => {
    fields.forEach((one, place) => one.fill(example[inputs[place].name]));
    tell();
  };
  let turn = 0;
  made.addEventListener("input", tell);
  again.addEventListener("click", fill);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++turn;
    says.textContent = "";
    fields.forEach((one) => one.mark(false));
    try {
      const text = await ask("predict", body());
      if (mine === turn) answer.replaceChildren(...said(JSON.parse(text), text, target));
    } catch (error) {
      if (mine !== turn) return;
      answer.replaceChildren();
      says.textContent = error.message;
      const place = inputs.findIndex((spec) => spec.name === error.field);
      if (place >= 0) fields[place].mark(true);
    }
  });
  fill();
  const sent = el("details", {}, el("summary", {}, "The same by curl"), el("pre", { tabindex: "0" }, command));
  return el(
    "section",
    { id: "try", "aria-labelledby": "try-title" },
    el("h2", { id: "try-title" }, "Ask it"),
    el("p.lead", {}, `One row, by the contract of version ${release.model_version}. Nothing of it is kept by this page.`),
    el("div.ask", {}, made, el("div.panel", {}, el("h3", {}, "Answer"), says, answer, sent)),
  );
}

// One input with its label and domain; `value` writes JSON, an empty one is missing
function field(spec, id) {
  const missing = spec.missing ? "may be missing" : "";
  const more = { id, name: id, "aria-describedby": `${id}-says` };
  let input, domain, list;
  if (spec.type === "number") {
    const mode = spec.low < 0 ? "text" : "decimal"; // the keypads of some phones have no minus
    input = el("input", { ...more, inputmode: mode });
    domain = `${spec.integer ? "whole, " : ""}${written.format(spec.low)} to ${written.format(spec.high)} ${spec.unit ?? ""}`.trim();
  } else if (spec.unseen === "reject") {
    const empty = el("option", { value: "" }, spec.missing ? "(missing)" : "(choose)");
    input = el("select", more, empty, spec.values.map((value) => el("option", { value }, value)));
    domain = "";
  } else {
    list = el("datalist", { id: `${id}-list` }, spec.values.map((value) => el("option", { value })));
    input = el("input", { ...more, list: `${id}-list` });
    domain = "any text; known ones are offered";
  }
  const hint = el("small", { id: `${id}-says` }, [domain, missing].filter(Boolean).join("; "));
  return {
    whole: el("div.field", {}, el("label", { for: id }, spec.name), input, list, hint),
    fill: (value) => (input.value = value ?? ""),
    mark: (wrong) => {
      if (wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (wrong) input.focus();
    },
    value: () => {
      const text = input.value;
      if (text === "") return "null";
      return spec.type === "number" && NUMBER.test(text.trim()) ? text.trim() : JSON.stringify(text);
    },
  };
}

function said({ prediction, model_version }, text, target) {
  const shares = probabilities(prediction, target);
  const chosen = prediction.label ?? `${written.format(prediction.value)} ${target.unit ?? ""}`.trim();
  return [
    el("p.chosen", {}, el("span.soft", {}, `${target.name} is`), " ", el("strong", {}, String(chosen))),
    shares.length ? el("ul.bars", {}, shares.slice(0, MOST_BARS).map(bar)) : null,
    el("p.soft", {}, `by version ${model_version}`),
    el("details", {}, el("summary", {}, "As JSON"), el("pre", { tabindex: "0" }, el("code", {}, text))),
  ].filter(Boolean);
}

function probabilities(prediction, target) {
  if (target.kind === "quantity") return [];
  if (target.kind === "binary") {
    const [no, yes] = target.labels;
    return [[yes, prediction.probability], [no, 1 - prediction.probability]];
  }
  return Object.entries(prediction.probabilities).sort(([, one], [, other]) => other - one);
}

function bar([label, share]) {
  const percent = share > 0 && share < 0.001 ? "below 0.1" : (100 * share).toFixed(1);
  const fill = el("span.fill");
  fill.style.width = `${100 * share}%`;
  return el("li", {}, el("span.name", {}, String(label)), el("span.number", {}, `${percent} %`), el("span.track", { "aria-hidden": "true" }, fill));
}

function curl(body) {
  const quoted = body.replaceAll("'", "'\\''");
  const address = new URL("predict", document.baseURI);
  return `curl ${address} -H "Authorization: Bearer $KEY" \\\n  -H 'content-type: application/json' -d '${quoted}'`;
}
