// The API: every route of /openapi.json, the typed row, and examples that can be sent.
import { ask, begin, el, grid, Refused } from "./ask.js";

begin(async (place) => {
  const schema = JSON.parse(await ask("openapi.json"));
  document.title = `API of ${schema.info.title}, version ${schema.info.version}`;
  const routes = Object.entries(schema.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const takes = routes.filter(({ operation }) => operation.requestBody);
  const tells = routes.filter(({ operation }) => !operation.requestBody);
  place.replaceChildren(
    el(
      "div.head",
      {},
      el("h1", {}, schema.info.title, " ", el("span.chip", {}, `version ${schema.info.version}`)),
      el("p.lead", {}, "Routes of this service. ", el("a", { href: "openapi.json" }, "openapi.json"), " describes them to programs, and wants what this page wants."),
    ),
    part("row", "A row", "What a request holds for each row.", [row(schema.components.schemas.Row)]),
    part("rows", "Predictions", "Rows in, predictions out, in the words of several platforms.", takes.map(route)),
    part("others", "State", "Who answers, and whether it can.", [state(tells)]),
  );
});

const part = (id, title, lead, inside) =>
  el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), el("p.lead", {}, lead), inside);

function row(schema) {
  const rows = Object.entries(schema.properties).map(([name, kind]) => [name, ...domain(kind)]);
  return grid({ title: "Fields of a row, all of them required", heads: ["field", "type", "domain", "missing"], rows, right: [] });
}

// What JSON schema says of a value: its type, its domain, and whether null is one
function domain(kind) {
  const forms = kind.anyOf ?? [kind];
  const own = forms.find((form) => form.type !== "null") ?? {};
  const values = (own.enum ?? []).filter((value) => value !== null);
  const missing = forms.some((form) => form.type === "null") || (own.enum ?? []).includes(null);
  const bounds = own.minimum === undefined ? "" : `${own.multipleOf === 1 ? "whole, " : ""}${own.minimum} to ${own.maximum}`;
  return [own.type ?? "string", values.join(", ") || bounds || own.description || "any text", missing ? "null" : ""];
}

const answers = (operation) => Object.entries(operation.responses).map(([status, { description }]) => [status, description]);
const said = ({ summary, description }) => [summary, description].filter(Boolean).map((text) => `${text.replaceAll("`", "")}.`).join(" ");

function state(routes) {
  const rows = routes.map(({ path, method, operation }) => [
    `${method} ${path}`,
    operation.summary,
    operation.security ? "a credential" : "",
    answers(operation).map(([status]) => status).join(", "),
  ]);
  return grid({ title: "Routes that take no rows", heads: ["route", "tells", "wants", "answers"], rows, right: [] });
}

function route({ path, method, operation }) {
  const examples = Object.entries(operation.requestBody?.content["application/json"]?.examples ?? {});
  const title = `Answers of ${method} ${path}`;
  return el(
    "div.route",
    {},
    el("h3", {}, el("span.method", {}, method), el("code", {}, path)),
    el("p.soft", {}, said(operation)),
    examples.length ? sender(path.slice(1), examples) : null,
    el("details", {}, el("summary", {}, "Answers"), grid({ title, heads: ["status", "means"], rows: answers(operation), right: [] })),
  );
}

function sender(path, examples) {
  const choice = el("select", { id: `${path}-example` }, examples.map(([name], place) => el("option", { value: place }, name)));
  const body = el("textarea", { id: `${path}-body`, rows: "8", spellcheck: "false" });
  const answer = el("code", {});
  const shown = el("pre", { tabindex: "0", role: "status", "aria-label": "Answer", hidden: true }, answer);
  const fill = () => (body.value = JSON.stringify(examples[choice.value || 0][1].value, null, 1));
  const made = el(
    "form.panel",
    { novalidate: true },
    el("div.field", {}, el("label", { for: choice.id }, "Example"), choice),
    el("div.field", {}, el("label", { for: body.id }, "Body"), body),
    el("div.buttons", {}, el("button", { type: "submit" }, "Send")),
    shown,
  );
  choice.addEventListener("change", fill);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      answer.textContent = await ask(path, body.value);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      answer.textContent = `${error.status}: ${error.message}`;
    }
    shown.hidden = false;
  });
  fill();
  return made;
}
