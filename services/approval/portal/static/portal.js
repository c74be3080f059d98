// What the pages can do better with a script: the reader's own time, clocks that run, news without reloading, passkeys.
// Everything but the last two works without it.
"use strict";

const language = document.documentElement.lang;
// English as the reader's own region writes it.
const locale = navigator.languages.find((one) => one.split("-")[0] === language) ?? language;
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function inWords(seconds) {
  const coarse = seconds >= 86400 ? 3600 : seconds >= 60 ? 60 : 1;
  let rest = seconds - (seconds % coarse);
  const parts = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count));
  }
  return parts.join(" ") || new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "long" }).format(0);
}

function showLocalTimes(root) {
  const hours = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  if (new Date().getTimezoneOffset() === 0) return;
  for (const time of root.querySelectorAll("time[data-local]:not([data-shown])")) {
    time.dataset.shown = "";
    const local = document.createElement("span");
    local.className = "local";
    const moment = new Date(time.dateTime);
    const otherDay = moment.getDate() !== moment.getUTCDate() ? { day: "numeric", month: "short" } : {};
    local.textContent = ` (${new Intl.DateTimeFormat(locale, { ...otherDay, ...hours }).format(moment)})`;
    time.append(local);
  }
}

function showCountdowns() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-until]")) {
    const seconds = Math.floor((new Date(time.dateTime).getTime() - now) / 1000);
    const words = seconds > 0 ? inWords(seconds) : document.body.dataset.ended;
    if (time.textContent !== words) time.textContent = words;
  }
}

// What the service wrote last into each region, before the script added to it.
const shown = new WeakMap();
// A form in which somebody has typed, or stands, is left as it is.
const touched = new WeakSet();
document.addEventListener("input", (event) => {
  const form = event.target.closest("form");
  if (form) touched.add(form);
});

// A region as it is compared: running clocks and the numbers of forms differ each time, and mean nothing.
function gist(region) {
  const copy = region.cloneNode(true);
  for (const time of copy.querySelectorAll("time[data-until]")) time.textContent = "";
  for (const field of copy.querySelectorAll('input[name="key"], input[name="csrf"]')) field.removeAttribute("value");
  return copy.innerHTML;
}

function inUse(region) {
  if (region.contains(document.activeElement) && document.activeElement.closest("form, details, summary")) return true;
  return [...region.querySelectorAll("form")].some((form) => touched.has(form)) || region.querySelector("details[open] form") !== null;
}

async function renew() {
  const response = await fetch(document.body.dataset.address, { headers: { "X-Lockbox-Renew": "1" }, redirect: "manual" });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    const now = gist(next);
    if (now === shown.get(region) || inUse(region)) continue;
    const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    shown.set(region, now);
    region.replaceChildren(...next.childNodes);
    if (focused) region.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    const words = next.dataset.said || region.dataset.said;
    if (words) document.getElementById("said").textContent = words;
  }
  showLocalTimes(document);
  showCountdowns();
  showPasskeyButtons(document);
}

// News come over one connection, and only while somebody looks: browsers open few to one host.
function listen() {
  const from = document.body.dataset.liveFrom;
  if (!from || !document.querySelector("[data-live]")) return;
  let source = null;
  let planned = 0;
  let over = false;
  const soon = () => {
    clearTimeout(planned);
    planned = setTimeout(() => renew().catch(() => {}), 150);
  };
  const open = (again) => {
    if (source || over) return;
    source = new EventSource(from);
    let lost = again;
    source.addEventListener("changed", soon);
    // What happened while nobody listened may have been missed.
    source.addEventListener("open", () => {
      if (lost) soon();
      lost = true;
    });
    source.addEventListener("bye", () => {
      over = true;
      close();
      const said = document.getElementById("said");
      said.textContent = document.body.dataset.noNews;
      said.className = "note";
    });
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open(true)));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open(true));
  open(false);
}

// Passkeys: what is signed is the decision itself.
const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const textOf = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function sign(form, decision) {
  const fields = new URLSearchParams(new FormData(form));
  fields.set("decision", decision);
  const asked = await fetch(form.dataset.passkey, { method: "POST", body: fields, headers: { Accept: "application/json" } });
  if (!asked.ok) throw new Error((await asked.json().catch(() => ({}))).said ?? "");
  const given = await asked.json();
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge: bytesOf(given.challenge),
      rpId: given.rp_id,
      allowCredentials: given.credentials.map((id) => ({ type: "public-key", id: bytesOf(id) })),
      userVerification: "preferred",
      timeout: 120000,
    },
  });
  const answer = credential.response;
  form.elements.assertion.value = JSON.stringify({
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    response: {
      clientDataJSON: textOf(answer.clientDataJSON),
      authenticatorData: textOf(answer.authenticatorData),
      signature: textOf(answer.signature),
      userHandle: answer.userHandle ? textOf(answer.userHandle) : null,
    },
  });
}

function showPasskeyButtons(root) {
  if (!window.PublicKeyCredential) return;
  for (const button of root.querySelectorAll("button[data-decision]")) button.hidden = false;
}

// On the document: a form that was renewed has other buttons than the one that was loaded.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("form[data-passkey] button[data-decision]");
  if (!button || button.hasAttribute("aria-busy")) return;
  const form = button.form;
  const main = form.querySelector(`button[data-sends="${button.dataset.decision}"]`);
  const said = form.querySelector("[data-passkey-said]");
  if (main.hasAttribute("data-needs-comment") && !form.reportValidity()) return;
  said.textContent = "";
  button.setAttribute("aria-busy", "true");
  try {
    await sign(form, button.dataset.decision);
    form.requestSubmit(main);
  } catch (error) {
    said.textContent = error.name === "NotAllowedError" || !error.message ? form.dataset.notSigned : error.message;
  } finally {
    button.removeAttribute("aria-busy");
  }
});

for (const region of document.querySelectorAll("[data-live]")) shown.set(region, gist(region));
showLocalTimes(document);
showCountdowns();
showPasskeyButtons(document);
setInterval(showCountdowns, 1000);
listen();
// A page that answered a form stands at the form's own address: reloading it would send it again.
if (document.body.dataset.address !== location.pathname + location.search && document.body.dataset.address !== "/") {
  history.replaceState(null, "", document.body.dataset.address);
}
document.getElementById("refusal")?.focus();
