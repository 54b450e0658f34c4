/** The report the page is about, the language it speaks, the session it keeps; the chat on one side, the view on the other. */

/** @import { Chat } from './client.js' */
/** @import { Locale, Report } from './frames.js' */
/** @import { ChatSnapshot } from './types.js' */

import { IDLE, createChat } from './client.js';
import { backoff, withFallback } from './connection.js';
import { EMPTY } from './conversation.js';
import { renderMarkdown } from './markdown.js';
import { language, setLanguage, setText } from './texts.js';
import { byId, createView } from './view.js';

const LIST_WITHIN = 15_000;
const NOT_SERVED = 501;
/** @type {Partial<ChatSnapshot>} what is shown where neither the address nor a list names a report */
const NAMELESS = {
  connection: 'fatal',
  conversation: { ...EMPTY, error: {
    type: 'error', scope: 'session', code: 'report_not_found', retryable: false,
    // Read at each drawing, since the language may change.
    get message() { return language.texts.nameReport; },
  } },
};

const address = new URL(location.href);
const socketUrl = new URL('ws', address);
socketUrl.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';

const picker = byId('report-picker', HTMLSelectElement);
const headline = byId('report-headline', HTMLElement);
const help = byId('help', HTMLDialogElement);
const path = byId('path', HTMLElement);
const date = byId('report-date', HTMLTimeElement);

/** @type {Chat | null} */
let chat = null;
/** @type {Report[] | null} null until they are loaded */
let reports = null;
/** @type {string | null} */
let reportId = address.searchParams.get('report');
/** @type {Partial<Report> | null} */
let shown = null;
let attempt = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} the next try to load the reports */
let retry;

// For the tab only: tomorrow's network may be another.
const transport = withFallback({
  until: Number(kept('sessionStorage', 'chatgw.http-until')),
  onFall: (until) => keep('sessionStorage', 'chatgw.http-until', until ? String(until) : null),
});

const view = createView({
  onSend: (text) => chat?.send(text) ?? false,
  onStop: () => chat?.stop(),
  onRegenerate: (id) => chat?.regenerate(id),
  onEarlier: async () => chat?.loadEarlier(),
  onReconnect: () => (chat ? chat.reconnect() : loadReports()),
  onDismiss: (code) => chat?.dismiss(code),
  onNewConversation() {
    if (!chat) return;
    keep('localStorage', sessionKey(), null);
    openChat(reportId);
  },
  draft: {
    load: () => kept('sessionStorage', 'chatgw.draft') ?? '',
    save: (text) => keep('sessionStorage', 'chatgw.draft', text || null),
  },
});

/** @param {string | null} id */
function openChat(id) {
  chat?.destroy();
  reportId = id;
  const key = sessionKey();
  const opened = createChat({
    url: socketUrl,
    locale: language.locale,
    reportId,
    session: kept('localStorage', key),
    onSession: (token) => keep('localStorage', key, token),
    transport,
  });
  chat = opened;
  /** @type {unknown} */
  let known;
  const show = () => {
    const snapshot = opened.getSnapshot();
    // The report comes with the session, and an answer has thousands of frames.
    if (snapshot.conversation.session !== known) showReport();
    known = snapshot.conversation.session;
    view.show(snapshot);
  };
  showReport();
  show();
  view.stick();
  opened.subscribe(show);
}

/** A chat about no report would answer all the same, and be paid for: without a list there is none, unless the address names one. */
async function loadReports() {
  showNoChat({ connection: attempt ? 'reconnecting' : 'connecting' });
  const list = await fetchReports().catch(() => undefined);
  clearTimeout(retry);
  if (list === undefined) {
    const delay = backoff(attempt++);
    retry = setTimeout(loadReports, delay);
    showNoChat({ connection: navigator.onLine ? 'reconnecting' : 'offline', retryAt: Date.now() + delay });
    return;
  }
  reports = list ?? [];
  picker.replaceChildren(...reports.map(({ id, headline: text, locale }) => {
    const option = new Option(text, id);
    option.lang = locale;
    return option;
  }));
  if (!chat && list) openChat(list[0]?.id ?? null);
  else showReport();
  showNoChat(NAMELESS);
}

/** @returns {Promise<Report[] | null>} null with `[rest] enabled=no`: the session still names its report */
async function fetchReports() {
  const response = await fetch('api/reports', { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(LIST_WITHIN) });
  if (response.status === NOT_SERVED) return null;
  if (!response.ok) throw new Error(`reports: ${response.status}`);
  const list = await response.json();
  // Where this call is there, that for earlier turns is too.
  view.allowHistory();
  return list;
}

/** @param {Partial<ChatSnapshot>} change */
function showNoChat(change) {
  if (!chat) view.show({ ...IDLE, ...change });
}

function showReport() {
  const report = reports?.find(({ id }) => id === reportId) ?? chat?.getSnapshot().conversation.session?.report ?? null;
  headline.textContent = report?.headline ?? (reports ? language.texts.title : '');
  picker.value = reportId ?? '';
  picker.disabled = !reports?.length;
  if (!reports?.length) picker.replaceChildren(new Option(report?.headline ?? (reports ? language.texts.noReports : '')));
  if (report !== shown) showText(report ?? {});
  shown = report;
}

/** @param {Partial<Report>} report */
function showText({ locale = '', summary = '', figures = '', created_at: created = '' }) {
  headline.lang = locale;
  date.dateTime = created;
  showDate();
  // Beside the conversation there is room to read; above it, on a phone, open folds would push it off the screen.
  const open = matchMedia('(min-width: 60rem)').matches;
  for (const [name, text] of Object.entries({ summary, figures })) {
    const fold = byId(`${name}-fold`, HTMLDetailsElement);
    const body = byId(`report-${name}`, HTMLElement);
    body.lang = locale;
    body.replaceChildren(...renderMarkdown(text));
    fold.hidden = !text;
    fold.open = open;
  }
}

function showDate() {
  const day = new Date(date.dateTime);
  date.textContent = Number.isNaN(day.getTime()) ? '' : new Intl.DateTimeFormat(language.locale, { dateStyle: 'long' }).format(day);
}

/** @param {Locale} locale */
function speak(locale) {
  setLanguage(locale);
  showDate();
  chat?.setLocale(locale);
  showReport();
  view.refresh();
}

async function checkPath() {
  if (!help.open) help.showModal();
  const { texts, locale } = language;
  if (path.textContent === texts.checkingPath) return;
  setText(path, texts.checkingPath);
  try {
    const { inWords, measure } = await import('./selftest.js');
    setText(path, inWords(await measure(), locale));
  } catch {
    // The module is as far away as the server.
    setText(path, texts.fatal);
  }
}

/** @returns {Locale} */
function chooseLocale() {
  const remembered = kept('localStorage', 'chatgw.locale');
  if (remembered === 'ko' || remembered === 'en') return remembered;
  return navigator.language.startsWith('ko') ? 'ko' : 'en';
}

function sessionKey() {
  return `chatgw.session.${reportId ?? ''}`;
}

/**
 * Browsers that block site data throw at the mere mention of a storage; the page then works without a memory.
 * @param {'localStorage' | 'sessionStorage'} storage
 * @param {string} key
 */
function kept(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {'localStorage' | 'sessionStorage'} storage
 * @param {string} key
 * @param {string | null} value
 */
function keep(storage, key, value) {
  try {
    if (value === null) window[storage].removeItem(key);
    else window[storage].setItem(key, value);
  } catch {
    // As in `kept`.
  }
}

picker.addEventListener('change', () => {
  address.searchParams.set('report', picker.value);
  history.replaceState(null, '', address);
  openChat(picker.value);
});
byId('locale', HTMLButtonElement).addEventListener('click', () => {
  const next = language.locale === 'ko' ? 'en' : 'ko';
  keep('localStorage', 'chatgw.locale', next);
  speak(next);
});

// What is asked for rarely is loaded when it is asked for.
for (const form of /** @type {const} */ (['md', 'json'])) {
  byId(`export-${form}`, HTMLButtonElement).addEventListener('click', async () => {
    const { exportConversation } = await import('./export.js');
    if (chat) exportConversation(chat.getSnapshot().conversation, form, socketUrl);
  });
}
// As an attribute of the page it would ask for the focus at every load, which browsers deny, with a complaint, in a frame.
byId('close-help', HTMLButtonElement).autofocus = true;
byId('open-help', HTMLButtonElement).addEventListener('click', () => help.showModal());
for (const id of ['check-path', 'diagnose']) byId(id, HTMLButtonElement).addEventListener('click', checkPath);
document.addEventListener('keydown', (event) => {
  if (event.isComposing || !(event.ctrlKey || event.metaKey)) return;
  if (event.key === '/') { if (!help.open) help.showModal(); } else if (event.shiftKey && event.code === 'KeyC' && getSelection()?.isCollapsed) view.copyLast();
  else return;
  event.preventDefault();
});

// A hidden tab is slowed down by the browser, which is no reason to think its connection dead.
for (const event of ['online', 'offline', 'pageshow', 'visibilitychange']) {
  window.addEventListener(event, () => { if (!document.hidden) chat?.check(); });
}

speak(chooseLocale());
if (reportId) openChat(reportId);
loadReports();
