/** The page: draws a snapshot of the chat and hands the reader's actions on. */

/** @import { Locale, Report } from './frames.js' */
/** @import { ChatSnapshot } from './client.js' */

import { createComposer } from './composer.js';
import { running } from './conversation.js';
import { createReportPanel } from './report.js';
import { createTranscript, followEnd } from './transcript.js';
import { TEXTS } from './texts.js';

const SHOW_OUTAGE_AFTER = 1000;
const DRAW_HIDDEN_AFTER = 1000;

/** @typedef {{ text: string, tone: 'error' | 'info' }} Banner */

/**
 * @param {object} actions
 * @param {(text: string) => boolean} actions.onSend
 * @param {() => void} actions.onStop
 * @param {(id: string) => void} actions.onRetry
 * @param {() => void} actions.onReconnect
 * @param {(id: string) => void} actions.onPickReport
 * @param {() => void} actions.onNewConversation
 * @param {(locale: Locale) => void} actions.onLocale
 * @param {{ load(): string, save(text: string): void }} actions.draft
 */
export function createView(actions) {
  const page = {
    badge: byId('badge-simulated', HTMLElement),
    banner: byId('banner', HTMLElement),
    bannerText: byId('banner-text', HTMLElement),
    reconnect: byId('reconnect', HTMLButtonElement),
    empty: byId('empty', HTMLElement),
    suggestions: byId('suggestions', HTMLElement),
    refusal: byId('refusal', HTMLElement),
    announcer: byId('announcer', HTMLElement),
    stop: byId('stop', HTMLButtonElement),
    jump: byId('jump', HTMLButtonElement),
    newConversation: byId('new-conversation', HTMLButtonElement),
    locale: byId('locale', HTMLButtonElement),
  };
  /** @type {Locale} */
  let locale = 'ko';
  let texts = TEXTS[locale];
  /** @type {ChatSnapshot | null} */
  let snapshot = null;
  /** The turn being announced, and how far: each of start and end is said once. */
  let watched = { id: '', started: false };
  /** @type {number | null} when the connection was lost */
  let outageSince = performance.now();
  let scheduled = false;

  const list = byId('messages', HTMLOListElement);
  const { stick } = followEnd(byId('viewport', HTMLElement), list, page.jump);
  const report = createReportPanel({
    picker: byId('report-picker', HTMLSelectElement),
    headline: byId('report-headline', HTMLElement),
    date: byId('report-date', HTMLTimeElement),
    summaryFold: byId('summary-fold', HTMLDetailsElement),
    summary: byId('report-summary', HTMLElement),
    figuresFold: byId('figures-fold', HTMLDetailsElement),
    figures: byId('report-figures', HTMLElement),
  }, actions.onPickReport);
  const transcript = createTranscript({
    list,
    template: byId('turn', HTMLTemplateElement),
    onRetry(id) { actions.onRetry(id); stick(); composer.focus(); },
  });
  const composer = createComposer({
    form: byId('composer', HTMLFormElement),
    box: byId('question', HTMLTextAreaElement),
    send: byId('send', HTMLButtonElement),
    stop: page.stop,
    counter: byId('counter', HTMLElement),
  }, { onSend: send, onStop: actions.onStop, draft: actions.draft });

  page.reconnect.addEventListener('click', actions.onReconnect);
  page.jump.addEventListener('click', () => { stick(); composer.focus(); });
  page.newConversation.addEventListener('click', () => { actions.onNewConversation(); composer.focus(); });
  page.locale.addEventListener('click', () => actions.onLocale(locale === 'ko' ? 'en' : 'ko'));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.isComposing && !page.stop.hidden) actions.onStop();
  });

  /** @param {string} text */
  function send(text) {
    const taken = actions.onSend(text);
    if (taken) stick();
    return taken;
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    // A hidden tab gets no animation frames, but a screen reader may still be told that the answer is there.
    if (document.hidden) setTimeout(draw, DRAW_HIDDEN_AFTER);
    else requestAnimationFrame(draw);
  }

  function draw() {
    scheduled = false;
    if (!snapshot) return;
    const { connection, conversation } = snapshot;
    const { session, turns, error, returned } = conversation;
    const turn = running(conversation);
    if (document.body.dataset.state !== connection) document.body.dataset.state = connection;
    page.badge.hidden = !session?.simulated;
    page.empty.hidden = !session || turns.length > 0;
    setText(page.refusal, error?.scope === 'frame' ? error.message || texts.unknownError : '');
    drawSuggestions(session?.suggestions ?? []);
    drawBanner(snapshot);
    report.update(session?.report ?? null, texts, locale);
    transcript.update(turns, texts, locale);
    composer.update({
      online: connection === 'online',
      turn: !turn ? 'idle' : turn.state === 'running' ? 'running' : 'sending',
      limit: session?.limits.message_chars ?? Infinity,
      returned,
      texts,
    });
    announce(snapshot);
  }

  /** @param {ChatSnapshot} now */
  function announce({ conversation }) {
    const turn = running(conversation) ?? conversation.turns.find(({ id }) => id === watched.id);
    if (!turn) return;
    if (turn.id !== watched.id) watched = { id: turn.id, started: false };
    if (turn.text && !watched.started && turn.state !== 'ended') {
      watched.started = true;
      setText(page.announcer, texts.answerStarted);
    }
    if (turn.state !== 'ended') return;
    watched = { id: '', started: false };
    // A failure is an alert already.
    if (turn.end?.type !== 'done') return;
    setText(page.announcer, turn.end.finish_reason === 'cancelled' ? texts.answerStopped : texts.answerDone);
  }

  /** @param {ChatSnapshot} now */
  function drawBanner(now) {
    outageSince = now.connection === 'online' ? null : outageSince ?? performance.now();
    const patience = outageSince === null ? Infinity : outageSince + SHOW_OUTAGE_AFTER - performance.now();
    // Most outages end within the second; a banner that comes and goes would only alarm.
    if (patience > 0 && patience < Infinity) setTimeout(schedule, patience);
    const { text, tone } = bannerOf(now, texts, patience <= 0);
    page.banner.hidden = !text;
    page.reconnect.hidden = now.connection === 'online';
    if (page.bannerText.textContent === text) return;
    page.banner.dataset.tone = tone;
    page.bannerText.role = tone === 'error' ? 'alert' : null;
    page.bannerText.textContent = text;
    if (text && tone === 'info') setText(page.announcer, text);
  }

  /** @param {string[]} suggestions */
  function drawSuggestions(suggestions) {
    const drawn = Array.from(page.suggestions.children, (item) => item.textContent);
    if (drawn.join('\n') === suggestions.join('\n')) return;
    page.suggestions.replaceChildren(...suggestions.map((suggestion) => {
      const item = document.createElement('li');
      const button = item.appendChild(document.createElement('button'));
      button.type = 'button';
      button.className = 'suggestion';
      button.textContent = suggestion;
      button.addEventListener('click', () => { if (send(suggestion)) composer.focus(); });
      return item;
    }));
  }

  /** @param {string | undefined} key */
  function word(key) {
    const text = texts[/** @type {keyof typeof texts} */ (key)];
    return typeof text === 'string' ? text : '';
  }

  return {
    /** @param {ChatSnapshot} next */
    show(next) {
      snapshot = next;
      schedule();
    },
    /** @param {Report[]} reports */
    setReports(reports) {
      report.setReports(reports);
      schedule();
    },
    /** @param {string | null} id */
    selectReport(id) {
      report.choose(id);
      stick();
      schedule();
    },
    /** @param {Locale} next */
    setLocale(next) {
      locale = next;
      texts = TEXTS[next];
      document.documentElement.lang = next;
      document.title = texts.title;
      for (const element of htmlElements('[data-text]')) element.textContent = word(element.dataset.text);
      for (const element of htmlElements('[data-label]')) element.ariaLabel = word(element.dataset.label);
      for (const element of htmlElements('[data-placeholder]')) element.setAttribute('placeholder', word(element.dataset.placeholder));
      schedule();
    },
  };
}

/**
 * @param {ChatSnapshot} now
 * @param {import('./texts.js').Texts} texts
 * @param {boolean} outage whether it has lasted long enough to be told
 * @returns {Banner}
 */
function bannerOf({ connection, closeCode, conversation: { session, error, draining, budgetLow } }, texts, outage) {
  if (connection === 'fatal') {
    const reason = error?.message || (closeCode ? `${texts.fatal} (${closeCode})` : texts.fatal);
    return { text: reason, tone: 'error' };
  }
  if (outage && connection !== 'online') return { text: texts[connection], tone: 'info' };
  if (session && !session.key_configured) return { text: texts.keyMissing, tone: 'error' };
  if (draining) return { text: texts.draining, tone: 'info' };
  return { text: budgetLow ? texts.budgetLow : '', tone: 'info' };
}

/**
 * Setting the same text again makes some screen readers say it again.
 * @param {HTMLElement} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} selector */
function htmlElements(selector) {
  return /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(selector));
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}
