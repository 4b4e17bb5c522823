// The API reference: Swagger UI with a layout, a search and a form for keys of its own. Every URL is relative to this page,
// so that a proxy may serve it under a prefix.
"use strict";

const STORED = "contacts-gateway.keys";
const SCHEMES = ["bearer", "admin"];
const ROOT = new URL("../", document.baseURI).href.replace(/\/$/, "");
// The address in the samples of the document.
const SAMPLE_ROOT = "http://127.0.0.1:8080";
const METHODS = ["get", "post", "put", "patch", "delete"];
// Further parameters, and those that every operation has, are behind a button; reference.css hides the same ones.
const SHOWN_PARAMETERS = 6;
// The variable that a copied command has in place of the key.
const KEY_VARIABLES = { bearer: "$KEY", admin: "$GATEWAY_ADMIN_TOKEN" };
const COMMON_PARAMETERS = ["Priority", "X-Request-Id", "X-Request-Timeout-Ms"];

const byId = (id) => document.getElementById(id);

const element = (name, attributes, ...children) => {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
};

/** The document as this page shows it. */
function adapted(document) {
  document.servers = [{ url: ROOT }];
  // Swagger UI would send the example of an optional parameter, so it becomes part of the description.
  const adapt = (parameter) => {
    if (parameter.required || parameter.example === undefined) return;
    if (typeof parameter.example === "string") parameter.description += ` Example: \`${parameter.example}\`.`;
    delete parameter.example;
  };
  Object.values(document.components.parameters ?? {}).forEach(adapt);
  for (const { operation } of operations(document)) (operation.parameters ?? []).forEach(adapt);
  return document;
}

/** All operations in their order. */
function operations(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
}

/** The ids of the operations that match every word: by their names, or if none does, by their descriptions. */
function found(document, phrase) {
  const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = (text) => operations(document)
    .filter((item) => words.every((word) => text(item).toLowerCase().includes(word)))
    .map(({ operation }) => operation.operationId);
  const byName = matching(({ path, method, operation }) =>
    `${method} ${path} ${operation.summary} ${operation.operationId}`);
  return new Set(byName.length ? byName : matching(({ operation }) => operation.description));
}

/** Our parts of Swagger UI. */
function parts(document) {
  return ({ React }) => {
    const h = React.createElement;

    const Reference = ({ getComponent }) => {
      const [Operations, Models, Errors, Images] =
        ["operations", "Models", "errors", "SvgAssets"].map((name) => getComponent(name, true));
      return h("div", { className: "swagger-ui" }, h(Images), h(Errors), h(Operations), h(Models));
    };

    let chosen = 0;
    const Samples = ({ samples }) => {
      const [shown, show] = React.useState(chosen);
      const source = samples[shown].source.replaceAll(SAMPLE_ROOT, ROOT);
      const choose = (index) => () => { chosen = index; show(index); };
      const tabs = samples.map(({ label }, index) =>
        h("button", { key: label, type: "button", "aria-pressed": index === shown, onClick: choose(index) }, label));
      const copy = h("button", { key: "copy", type: "button", className: "copy-sample",
        onClick: () => navigator.clipboard?.writeText(source) }, "Copy");
      return h("section", { className: "samples" },
        h("div", { className: "tabs" }, h("h4", null, "Code"), tabs, copy), h("pre", null, h("code", null, source)));
    };

    // Swagger UI's own command contains the key.
    const curl = (_, { fn }) => ({ request }) => {
      const variable = request.get("url").startsWith(`${ROOT}/admin/`) ? KEY_VARIABLES.admin : KEY_VARIABLES.bearer;
      const name = ["headers", "Authorization"];
      const hidden = request.hasIn(name) ? request.setIn(name, "Bearer KEY") : request;
      const text = fn.requestSnippetGenerator_curl_bash(hidden)
        .replace("'Authorization: Bearer KEY'", `"Authorization: Bearer ${variable}"`);
      return h("section", { className: "sent" },
        h("div", { className: "tabs" }, h("h4", null, "Sent"), h("button", { type: "button", className: "copy-sample",
          onClick: () => navigator.clipboard?.writeText(text) }, "Copy")),
        h("pre", { className: "curl microlight" }, text));
    };

    // The response that was received, and a heading for the documented ones, which follow in the same section.
    const liveResponse = (Original) => (props) =>
      h(React.Fragment, null, h(Original, props), h("h4", { className: "documented" }, "As documented"));

    const Failures = ({ responses }) => {
      const rows = responses.entrySeq().toArray().flatMap(([status, response]) => {
        const codes = response.getIn(["content", "application/problem+json", "examples"])?.keySeq().toArray() ?? [];
        return codes.map((code) => {
          const title = document.components.examples[`problem.${code}`]?.summary;
          return h("tr", { key: status + code }, h("td", null, status),
            h("td", null, h("a", { href: `errors/${code}` }, code)), h("td", null, title));
        });
      });
      const statuses = responses.keySeq().toArray().join(", ");
      return h("details", { className: "failures" },
        h("summary", null, h("b", null, "Errors"), ` ${statuses}`), h("table", null, h("tbody", null, rows)));
    };

    const responses = (Original) => (props) => {
      const operation = document.paths[props.path]?.[props.method];
      const works = (_, status) => status.startsWith("2");
      const samples = operation?.["x-codeSamples"];
      const code = samples && h(Samples, { key: "code", samples });
      const documented = h(Original, { ...props, key: "documented", responses: props.responses.filter(works) });
      const failures = h(Failures, { key: "failures", responses: props.responses.filterNot(works) });
      // A response that was just received comes first.
      const parts = props.tryItOutResponse ? [documented, code, failures] : [code, documented, failures];
      return h(React.Fragment, null, parts);
    };

    const parameters = (Original) => (props) => {
      const [all, showAll] = React.useState(false);
      const hidden = props.parameters.filter((parameter, index) =>
        index >= SHOWN_PARAMETERS || COMMON_PARAMETERS.includes(parameter.get("name"))).size;
      const more = hidden > 0 && !all;
      return h("div", { className: more ? "some-parameters" : "all-parameters" }, h(Original, props),
        more && h("button", { type: "button", className: "button plain more", onClick: () => showAll(true) },
          `Show ${hidden} more parameters`));
    };

    const list = (Original) => (props) => {
      const phrase = props.layoutSelectors.currentFilter();
      const none = typeof phrase === "string" && found(document, phrase).size === 0;
      return none ? h("p", { className: "note" }, "No operation matches.") : h(Original, props);
    };

    const nothing = () => () => null;
    const opsFilter = (tagged, phrase) => {
      const ids = found(document, phrase);
      const fits = (item) => ids.has(item.getIn(["operation", "operationId"]));
      return tagged.map((tag) => tag.update("operations", (items) => items.filter(fits)))
        .filter((tag) => tag.get("operations").size > 0);
    };
    return {
      components: { Reference },
      wrapComponents: { operations: list, responses, parameters, authorizeOperationBtn: nothing, curl, liveResponse },
      fn: { opsFilter },
      // Respects the height of our header.
      statePlugins: { layout: { wrapActions: { scrollToElement: () => (place) => place.scrollIntoView() } } },
    };
  };
}

/** The list at the side, and the search over it. */
function contents(document, ui) {
  const open = (tag, id) => (event) => {
    event.preventDefault();
    history.replaceState(null, "", `#/${tag}/${id}`);
    ui.layoutActions.show(["operations-tag", tag], true);
    ui.layoutActions.show(["operations", tag, id], true);
    mark();
    requestAnimationFrame(() => byId(`operations-${tag}-${id}`)?.scrollIntoView());
  };
  const lists = document.tags.map(({ name }) => {
    const items = operations(document).filter(({ operation }) => operation.tags.includes(name));
    const rows = items.map((item) => {
      const { path, method, operation: { summary, operationId } } = item;
      const link = element("a", { href: `#/${name}/${operationId}`, title: `${method.toUpperCase()} ${path}` },
        element("span", { class: `method ${method}` }, method === "delete" ? "del" : method), summary);
      link.addEventListener("click", open(name, operationId));
      return { item, row: element("li", {}, link) };
    });
    const heading = element("h2", {}, name);
    return { rows, heading, list: element("ul", {}, ...rows.map(({ row }) => row)) };
  });
  byId("operations").append(...lists.flatMap(({ heading, list }) => [heading, list]));

  const mark = () => lists.flatMap(({ rows }) => rows).forEach(({ row }) => {
    const link = row.firstChild;
    if (link.hash === location.hash) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  mark();
  byId("search").addEventListener("input", ({ target }) => {
    const ids = found(document, target.value);
    lists.forEach(({ rows, heading, list }) => {
      rows.forEach(({ item, row }) => { row.hidden = !ids.has(item.operation.operationId); });
      heading.hidden = list.hidden = rows.every(({ row }) => row.hidden);
    });
    ui.layoutActions.updateFilter(target.value.trim() || true);
  });
}

/** The keys that are kept, and where. */
function stored() {
  for (const storage of [localStorage, sessionStorage]) {
    const text = storage.getItem(STORED);
    if (text) return { keys: JSON.parse(text), kept: storage === localStorage };
  }
  return { keys: {}, kept: false };
}

/** The form for the keys. */
function authorisation(ui) {
  const say = (text) => { byId("state").textContent = text; };
  const apply = (keys) => SCHEMES.forEach((scheme) => {
    if (ui.authSelectors.authorized()?.has(scheme)) ui.authActions.logout([scheme]);
    if (keys[scheme]) ui.preauthorizeApiKey(scheme, keys[scheme]);
  });
  const store = (keys, kept) => {
    [localStorage, sessionStorage].forEach((storage) => storage.removeItem(STORED));
    if (Object.keys(keys).length) (kept ? localStorage : sessionStorage).setItem(STORED, JSON.stringify(keys));
  };
  const { keys, kept } = stored();
  SCHEMES.forEach((scheme) => { byId(scheme).value = keys[scheme] ?? ""; });
  byId("keep").checked = kept;
  apply(keys);
  if (keys.bearer) say("Your key from before the reload is in use.");

  byId("keys").addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = SCHEMES.map((scheme) => [scheme, byId(scheme).value.trim()]).filter(([, value]) => value);
    const entered = Object.fromEntries(given);
    store(entered, byId("keep").checked);
    apply(entered);
    say((await Promise.all(given.map(tried))).join(" "));
  });
  byId("forget").addEventListener("click", () => {
    SCHEMES.forEach((scheme) => { byId(scheme).value = ""; });
    byId("keep").checked = false;
    store({}, false);
    apply({});
    say("Forgotten.");
  });
}

/** What the gateway says of a key. */
async function tried([scheme, value]) {
  const [name, path] = scheme === "admin" ? ["admin token", "admin/tenants?pageSize=1"] : ["key", "providers"];
  try {
    const { ok, status } = await fetch(`${ROOT}/${path}`, { headers: { Authorization: `Bearer ${value}` } });
    if (ok) return `The ${name} works.`;
    if (status === 404) return "This gateway has no admin token.";
    return `The gateway does not accept the ${name} (${status}).`;
  } catch {
    return "The gateway cannot be reached.";
  }
}

async function start() {
  const response = await fetch("../openapi.json");
  if (!response.ok) throw new Error(`openapi.json: status ${response.status}`);
  const document = adapted(await response.json());
  byId("version").textContent = `OpenAPI ${document.openapi}, version ${document.info.version}`;
  const ui = SwaggerUIBundle({
    spec: document,
    domNode: byId("swagger-ui"),
    layout: "Reference",
    plugins: [parts(document)],
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => {
      contents(document, ui);
      authorisation(ui);
    },
  });
}

start().catch((error) => { byId("swagger-ui").textContent = `The reference could not be loaded. ${error.message}`; });
