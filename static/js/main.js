/** Wiring: which report, which session, which locale; the chat on one side, the page on the other. */

/** @import { Chat } from './client.js' */
/** @import { Locale, Report } from './frames.js' */

import { createChat } from './client.js';
import { createView } from './view.js';

const address = new URL(location.href);
const socketUrl = new URL('ws', address);
socketUrl.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';

/** @type {Chat | null} */
let chat = null;
/** @type {string | null} */
let reportId = address.searchParams.get('report');
let locale = chooseLocale();

const view = createView({
  onSend: (text) => chat?.send(text) ?? false,
  onStop: () => chat?.stop(),
  onRetry: (id) => chat?.retry(id),
  onReconnect: () => chat?.reconnect(),
  onPickReport(id) {
    address.searchParams.set('report', id);
    history.replaceState(null, '', address);
    openChat(id);
  },
  onNewConversation() {
    keep('localStorage', sessionKey(), null);
    openChat(reportId);
  },
  onLocale(next) {
    locale = next;
    keep('localStorage', 'chatgw.locale', next);
    view.setLocale(next);
    chat?.setLocale(next);
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
    locale,
    reportId,
    session: kept('localStorage', key),
    onSession: (token) => keep('localStorage', key, token),
  });
  chat = opened;
  view.selectReport(id);
  view.show(opened.getSnapshot());
  opened.subscribe(() => view.show(opened.getSnapshot()));
}

async function start() {
  view.setLocale(locale);
  if (reportId) openChat(reportId);
  const reports = await fetchReports();
  view.setReports(reports);
  if (!chat) openChat(reports[0]?.id ?? null);
}

/**
 * An empty list is no obstacle: with `[rest] enabled=no` the session still names its report.
 * @returns {Promise<Report[]>}
 */
async function fetchReports() {
  try {
    const response = await fetch('api/reports', { headers: { accept: 'application/json' } });
    return response.ok ? await response.json() : [];
  } catch {
    return [];
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

for (const event of ['online', 'pageshow', 'visibilitychange']) {
  window.addEventListener(event, () => chat?.check());
}

start();
