// The page: what the room says comes by server-sent events, what is written goes by POST.
// Names and texts are data: they are only ever set as textContent.

import { words } from "./words.js";

const $ = (id) => document.getElementById(id);
const ADMIN = "管理员";
// A line that was sent and not heard back: shown at once, sent again under the same ticket until it is answered.
const pending = new Map();
let lang = localStorage.getItem("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
let me = JSON.parse(sessionStorage.getItem("me") ?? "null");
let present = new Map();
let source = null;
let state = ["", ""];
let last = 0;
let rosterAt = 0;
let heard = 0;

const t = () => words[lang];

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function chip(via, tag = "span") {
  const made = element(tag, "chip", t().worker(via.slot));
  made.title = `pid ${via.pid}`;
  made.style.setProperty("--hue", String((via.slot * 137) % 360));
  return made;
}

// ---- words, theme, state

function speak() {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  document.title = t().title;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = t()[one.dataset.text];
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t()[one.dataset.label]);
  for (const one of document.querySelectorAll("[data-hint]")) one.placeholder = t()[one.dataset.hint];
  $("lang").textContent = t().language;
  showState(...state);
  showPresent();
}

function showState(is, via) {
  state = [is, via];
  $("state").dataset.is = is;
  $("state").textContent = is === "live" ? `${me?.name ?? ""} · ${t().live(via)}` : is === "connecting" ? t().connecting : "";
  $("banner").hidden = is !== "lost";
  $("banner").textContent = t().lost;
}

function showPresent() {
  $("count").textContent = t().count(present.size);
  const chosen = $("to").value;
  $("present").replaceChildren(...[...present.values()].map(person));
  const everyone = element("option", "", t().everyone);
  everyone.value = "";
  const others = [...present.values()].filter((one) => one.member !== me?.member);
  $("to").replaceChildren(everyone, ...others.map((one) => element("option", "", one.name)));
  $("to").value = others.some((one) => one.name === chosen) ? chosen : "";
}

function person(one) {
  const item = element("li");
  const button = element("button");
  button.type = "button";
  const name = one.member === me?.member ? `${one.name} (${t().you})` : one.name;
  button.append(element("span", "who", name), element("span", "door", t().doors[one.door]), chip(one.via));
  button.addEventListener("click", () => {
    if (one.member !== me?.member) $("to").value = one.name;
    $("text").focus();
  });
  item.append(button);
  return item;
}

// ---- lines

function show(item) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(item);
  while (log.childElementCount > 1000) log.firstElementChild.remove();
  if (atEnd || item.classList.contains("mine")) log.scrollTop = log.scrollHeight;
  else $("newer").hidden = false;
}

function note(text) {
  show(element("li", "note", text));
}

function bubble(line) {
  const mine = line.member === me?.member;
  const item = element("li", `said${mine ? " mine" : ""}${line.to ? " private" : ""}${line.name === ADMIN ? " admin" : ""}`);
  const head = element("header");
  head.append(element("b", "", mine ? t().you : line.name));
  if (line.to) head.append(element("span", "", mine ? `→ ${line.to}` : `→ ${t().toYou}`));
  if (line.at) head.append(element("time", "", new Date(line.at).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" })));
  if (line.via) head.append(chip(line.via));
  item.append(head, element("p", "", line.text));
  return item;
}

function take(line) {
  if (line.number <= last) return;
  last = line.number;
  const current = line.number > rosterAt;
  switch (line.what) {
    case "said":
      settle(line);
      show(bubble(line));
      break;
    case "joined":
    case "moved":
      if (current) present.set(line.member, line);
      if (line.what === "joined") note(t().joined(line.name));
      break;
    case "left":
      if (current) present.delete(line.member);
      note(t().left(line.name));
  }
  if (line.what !== "said" && current) showPresent();
}

// The room has said a line of ours: what was shown in its place goes.
function settle(line) {
  if (line.member !== me?.member) return;
  for (const one of pending.values()) {
    if (one.text === line.text && (one.to || "") === (line.to || "")) {
      one.item.remove();
      pending.delete(one.ticket);
      return;
    }
  }
}

// ---- the connection

function listen() {
  source?.close();
  showState("connecting");
  source = new EventSource(`/m/${me.member}/events${last ? `?after=${last}` : ""}`);
  heard = Date.now();
  source.onmessage = (event) => { heard = Date.now(); take(JSON.parse(event.data)); };
  source.addEventListener("beat", () => { heard = Date.now(); });
  source.addEventListener("slow", () => note(t().slow));
  source.addEventListener("here", (event) => {
    heard = Date.now();
    const here = JSON.parse(event.data);
    rosterAt = here.number;
    present = new Map(here.present.map((one) => [one.member, one]));
    showState("live", here.via);
    showPresent();
    for (const one of pending.values()) post(one);
  });
  source.onerror = () => {
    showState("lost");
    // A refusal ends it for good; anything else is tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) probe();
  };
}

async function probe() {
  try {
    const answer = await fetch(`/m/${me.member}`);
    if (answer.status === 403) return expelled();
  } catch { /* The server is gone for now. */ }
  setTimeout(() => me && listen(), 1000);
}

function expelled() {
  forget();
  $("refusal").textContent = t().again;
}

// A connection that is dead without a word is noticed by its silence.
setInterval(() => {
  if (me && source && Date.now() - heard > 45000) { showState("lost"); listen(); }
}, 5000);
addEventListener("online", () => me && listen());

async function post(one) {
  if (one.busy) return;
  one.busy = true;
  try {
    const body = JSON.stringify({ text: one.text, to: one.to || undefined, ticket: one.ticket });
    const answer = await fetch(`/m/${me.member}/say`, { method: "POST", body, headers: { "Content-Type": "application/json", "Accept-Language": lang } });
    if (answer.status === 403) return expelled();
    if (answer.status === 429) {
      // Too fast: it stays as it is, and goes when there is room again.
      one.item.querySelector("small")?.remove();
      one.item.append(element("small", "", (await answer.json()).why));
      setTimeout(() => pending.has(one.ticket) && post(one), 1000 * (Number(answer.headers.get("Retry-After")) || 1));
      return;
    }
    if (!answer.ok && answer.status < 500) {
      pending.delete(one.ticket);
      one.item.classList.add("failed");
      one.item.append(element("small", "", `${t().failed}: ${(await answer.json()).why}`));
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
  } catch {
    setTimeout(() => pending.has(one.ticket) && post(one), 1000);
  } finally {
    one.busy = false;
  }
}

// ---- in and out

function forget() {
  source?.close();
  [source, me, last, rosterAt] = [null, null, 0, 0];
  sessionStorage.removeItem("me");
  present.clear();
  pending.clear();
  $("log").replaceChildren();
  showState("", "");
  appear();
}

function appear() {
  document.querySelector("main").hidden = $("leave").hidden = !me;
  $("enter").hidden = Boolean(me);
  (me ? $("text") : $("name")).focus();
}

$("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("refusal").textContent = "";
  try {
    const body = JSON.stringify({ name: $("name").value, token: $("token").value || undefined });
    const answer = await fetch("/join", { method: "POST", body, headers: { "Content-Type": "application/json", "Accept-Language": lang } });
    const told = await answer.json();
    if (!answer.ok) { $("refusal").textContent = told.why; return; }
    me = told;
    sessionStorage.setItem("me", JSON.stringify(me));
    appear();
    listen();
  } catch {
    $("refusal").textContent = t().lost;
  }
});
$("name").addEventListener("input", () => { $("tokenLine").hidden = $("name").value.trim() !== ADMIN; });

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const [text, to] = [$("text").value.trim(), $("to").value];
  if (!text) return;
  const item = bubble({ member: me.member, name: me.name, text, to });
  item.classList.add("pending");
  const one = { text: text.replace(/[\n\r\t]/g, " "), to, item, ticket: crypto.getRandomValues(new Uint32Array(4)).join("-") };
  pending.set(one.ticket, one);
  show(item);
  post(one);
  $("text").value = "";
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("compose").requestSubmit(); }
});
$("leave").addEventListener("click", () => {
  fetch(`/m/${me.member}/leave`, { method: "POST" }).catch(() => {});
  forget();
});
$("newer").addEventListener("click", () => { $("log").scrollTop = $("log").scrollHeight; });
$("log").addEventListener("scroll", () => {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 80) $("newer").hidden = true;
});
$("lang").addEventListener("click", () => { lang = lang === "en" ? "zh" : "en"; localStorage.setItem("lang", lang); speak(); });
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  setTheme(dark === "dark" ? "light" : "dark");
});
function setTheme(theme) {
  if (!theme) return;
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

setTheme(localStorage.getItem("theme"));
speak();
appear();
if (me) listen();
