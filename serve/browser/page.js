// The page of the model: who it is, a form that asks it, figures, plots and card, all from /page.json.
import { ask, begin, el, grid } from "./ask.js";
import { form } from "./form.js";

const CARD = "p ul ol li strong em code pre blockquote table thead tbody tr th td th.number td.number h4 h5 h6 hr br".split(" ");

begin(async (place) => {
  const facts = JSON.parse(await ask("page.json"));
  const { release, page } = facts;
  document.title = `${release.model}, version ${release.model_version}`;
  const shown = [head(facts), form(facts)];
  if (page) {
    shown.push(figures(page), fairness(page), card(page));
  } else {
    shown.push(el("p.says", {}, "This bundle holds no figures, plots or card for a page: it was exported before there was one."));
  }
  place.replaceChildren(...shown.filter(Boolean));
});

function head({ release, target }) {
  const said =
    target.kind === "quantity" ? `a number${target.unit ? ` in ${target.unit}` : ""}` : `one of ${target.labels.join(", ")}`;
  const facts = [
    ["model", release.model_digest],
    ["bundle", release.bundle_digest],
    ["commit", release.commit],
    ["run", release.run_id],
    ["runtime", release.runtime],
  ];
  return el(
    "div.head",
    {},
    el("h1", {}, release.model, " ", el("span.chip", {}, `version ${release.model_version}`)),
    el("p.lead", {}, `Predicts ${target.name}: ${said}.`),
    release.runtime_note ? el("p.note", { id: "runtime" }, `Not served as an ONNX graph${release.runtime_why ? `: ${release.runtime_why}` : ""}. ${release.runtime_note}.`) : null,
    el(
      "dl.digests",
      {},
      facts.filter(([, text]) => text && text !== "unknown").map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", { title: text }, text.slice(0, 12)))),
    ),
  );
}

const section = (id, title, lead, ...inside) =>
  el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), el("p.lead", {}, lead), ...inside);

function figures(page) {
  const tiles = page.figures.map((one) =>
    el(
      "li.tile",
      {},
      el("span.name", {}, one.measure.replaceAll("_", " ")),
      el("span.value", {}, one.value),
      el("span.range", {}, `${one.interval}, 95 % interval`),
      el("span.bound", {}, el(`span.word ${one.verdict}`, {}, one.verdict), one.bound && ` · ${one.bound}`),
    ),
  );
  return section(
    "figures",
    "How good it is",
    "Measured on rows that never train, and held against bounds before it was allowed to serve.",
    tiles.length ? el("ul.tiles", {}, tiles) : null,
    folded(page.performance),
    plots(page.plots.performance),
    page.without_plots && el("p.says", {}, page.without_plots),
  );
}

function fairness(page) {
  if (!page.fairness.rows.length) return null;
  const wide = page.plots.groups.filter((plot) => plot.title.includes(" and "));
  const plain = page.plots.groups.filter((plot) => !wide.includes(plot));
  return section(
    "fairness",
    "How alike it treats groups",
    "Largest differences between groups; small groups are told in the card and not judged.",
    grid(page.fairness),
    plots(plain),
    wide.length ? el("details", {}, el("summary", {}, `Intersections of groups (${wide.length} plots)`), plots(wide)) : null,
  );
}

const folded = (table) =>
  table.rows.length ? el("details", {}, el("summary", {}, `${table.title} (${table.rows.length})`), grid(table)) : null;

// A picture, not a part of the document: nothing in it can run or be fetched
function plots(some) {
  if (!some.length) return null;
  const figure = ({ title, says, svg, width, height, table }) => {
    const source = `data:image/svg+xml,${encodeURIComponent(svg)}`;
    const image = el("img", { src: source, alt: says, width, height, loading: "lazy" });
    return el("figure", {}, el("h3", {}, title), image, folded(table));
  };
  return el("div.plots", {}, some.map(figure));
}

function card(page) {
  const part = ({ title, holds }) =>
    el("details", { open: title === "Intended use" }, el("summary", {}, el("h3", {}, title)), holds.map((one) => node(one, title)));
  return section("card", "Model card", "What it is, what it is for, and what its figures do not prove.", page.card.map(part));
}

// The card comes as names and texts; what is not among CARD is shown as its text
function node(one, title) {
  if (typeof one === "string") return one;
  const [name, ...inside] = one;
  const held = inside.map((part) => node(part, title));
  const lower = name === "h3" ? "h4" : name;
  if (!CARD.includes(lower)) return held;
  const made = el(lower, {}, held);
  return name === "table" ? el("div.scroll", { tabindex: "0", role: "region", "aria-label": `${title}, table` }, made) : made;
}
