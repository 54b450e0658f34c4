/** The page: draws a snapshot of the chat and hands the reader's actions on. */

/** @import { ChatSnapshot } from './types.js' */
/** @import { createTranscript } from './transcript.js' */

import { createComposer } from './composer.js';
import { running } from './conversation.js';
import { announce, language, money, setText } from './texts.js';

const SHOW_OUTAGE_AFTER = 1000;
const DRAW_HIDDEN_AFTER = 1000;
const NOTICES = /** @type {const} */ ({ draining: 'draining', 'budget_low:session': 'budgetLow', 'budget_low:day': 'dayBudgetLow' });

/** @typedef {{ text: string, tone: 'error' | 'info', kind: string, notice?: string }} Banner */

/**
 * @param {object} actions
 * @param {(text: string) => boolean} actions.onSend
 * @param {() => void} actions.onStop
 * @param {(id: string) => void} actions.onRegenerate
 * @param {() => Promise<void>} actions.onEarlier
 * @param {() => void} actions.onReconnect
 * @param {() => void} actions.onNewConversation
 * @param {(notice: string) => void} actions.onDismiss
 * @param {{ load(): string, save(text: string): void }} actions.draft
 */
export function createView(actions) {
  const page = {
    badge: byId('badge-simulated', HTMLElement),
    banner: byId('banner', HTMLElement),
    bannerText: byId('banner-text', HTMLElement),
    reconnect: byId('reconnect', HTMLButtonElement),
    diagnose: byId('diagnose', HTMLElement),
    dismiss: byId('dismiss', HTMLButtonElement),
    empty: byId('empty', HTMLElement),
    suggestions: byId('suggestions', HTMLElement),
    refusal: byId('refusal', HTMLElement),
    spent: byId('spent', HTMLElement),
    sum: byId('spent-sum', HTMLElement),
    stop: byId('stop', HTMLButtonElement),
  };
  const question = byId('question', HTMLTextAreaElement);
  /** @type {ChatSnapshot | null} */
  let snapshot = null;
  /** @type {number | null} when the connection was lost */
  let outageSince = performance.now();
  let scheduled = false;
  /** Whether earlier turns can be asked for at all. */
  let history = false;
  let banner = '';
  /** Whether the reader knows of an outage. */
  let told = false;
  /** @type {ReturnType<typeof createTranscript> | null} */
  let transcript = null;
  let loading = false;
  /** @type {{ [name: string]: ReturnType<typeof setTimeout> }} */
  const timers = {};

  const composer = createComposer({
    form: byId('composer', HTMLFormElement),
    box: question,
    send: byId('send', HTMLButtonElement),
    stop: page.stop,
    counter: byId('counter', HTMLElement),
  }, { onSend: send, onStop: actions.onStop, draft: actions.draft });

  page.reconnect.addEventListener('click', actions.onReconnect);
  page.dismiss.addEventListener('click', () => { actions.onDismiss(page.banner.dataset.notice ?? ''); composer.focus(); });
  byId('jump', HTMLButtonElement).addEventListener('click', composer.focus);
  byId('new-conversation', HTMLButtonElement).addEventListener('click', () => { actions.onNewConversation(); composer.focus(); });
  // On a small screen the focus hides the report, and a button would move from under the pointer before it is let go.
  byId('chat', HTMLElement).addEventListener('mousedown', (event) => {
    if (event.target instanceof Element && event.target.closest('button, summary')) event.preventDefault();
  });
  // A first visit has no conversation to show. Whoever reaches for the question will have one in a moment.
  for (const event of ['focusin', 'pointerover']) byId('chat', HTMLElement).addEventListener(event, loadTranscript, { once: true });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.isComposing && !page.stop.hidden && !document.querySelector('dialog[open], :popover-open')) actions.onStop();
  });
  // Frames asked for while the tab was in sight never come once it is hidden.
  document.addEventListener('visibilitychange', draw);

  async function loadTranscript() {
    if (transcript || loading) return;
    loading = true;
    try {
      const { createTranscript } = await import('./transcript.js');
      transcript = createTranscript({
        viewport: byId('viewport', HTMLElement),
        list: byId('messages', HTMLOListElement),
        template: byId('turn', HTMLTemplateElement),
        jump: byId('jump', HTMLElement),
        earlier: byId('earlier', HTMLElement),
      }, {
        onRegenerate(id) { actions.onRegenerate(id); transcript?.stick(); composer.focus(); },
        onEarlier: actions.onEarlier,
      });
      draw();
    } catch {
      // Out of reach, like the server itself: the next thing to show asks for it again.
    } finally {
      loading = false;
    }
  }

  /** @param {string} text */
  function send(text) {
    const taken = actions.onSend(text);
    if (taken) transcript?.stick();
    return taken;
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    // A hidden tab gets no animation frames, but a screen reader may still be told that the answer is there.
    if (document.hidden) setTimeout(draw, DRAW_HIDDEN_AFTER);
    else requestAnimationFrame(draw);
  }

  /** @param {string} name @param {number} ms */
  function drawAgainIn(name, ms) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(schedule, ms);
  }

  function draw() {
    scheduled = false;
    if (!snapshot) return;
    const { connection, conversation } = snapshot;
    const { session, turns, error, returned } = conversation;
    const turn = running(conversation);
    const online = connection === 'online';
    if (document.body.dataset.state !== connection) document.body.dataset.state = connection;
    page.badge.hidden = !session?.simulated;
    page.empty.hidden = !session || turns.length > 0;
    setText(page.refusal, error?.scope === 'frame' ? error.message || language.texts.unknownError : '');
    drawSuggestions(session?.suggestions ?? []);
    drawBanner(snapshot);
    drawSpent(session?.budget);
    if (turns.length > 0) loadTranscript();
    transcript?.update(conversation, { free: online && !turn, older: history && (turns[0]?.n ?? 0) > 1 });
    composer.update({
      online,
      turn: !turn ? 'idle' : turn.state === 'running' ? 'running' : 'sending',
      limit: session?.limits.message_chars ?? Infinity,
      returned,
      lastQuestion: turns.at(-1)?.question ?? '',
      locale: language.locale,
    });
  }

  /** @param {ChatSnapshot} now */
  function drawBanner(now) {
    const online = now.connection === 'online';
    outageSince = online ? null : outageSince ?? performance.now();
    const patience = outageSince === null ? Infinity : outageSince + SHOW_OUTAGE_AFTER - performance.now();
    // Most outages end within the second; a banner that comes and goes would only alarm.
    if (patience > 0 && patience < Infinity) drawAgainIn('patience', patience);
    const untilRetry = now.retryAt ? Math.max(0, now.retryAt - Date.now()) : 0;
    if (untilRetry > 0) drawAgainIn('countdown', untilRetry % 1000 || 1000);
    const { text, tone, kind, notice } = bannerOf(now, patience <= 0, Math.ceil(untilRetry / 1000));
    const focused = document.activeElement;
    page.banner.hidden = !text;
    page.reconnect.hidden = page.diagnose.hidden = online;
    page.dismiss.hidden = !notice;
    page.banner.dataset.notice = notice ?? '';
    page.banner.dataset.tone = tone;
    page.bannerText.role = tone === 'error' ? 'alert' : null;
    setText(page.bannerText, text);
    // Said once, not at every second of a countdown.
    if (kind !== banner && text && tone === 'info') announce(text);
    banner = kind;
    told ||= kind === now.connection && now.conversation.session !== null;
    if (online && told) {
      told = false;
      announce(language.texts.reconnected);
    }
    // A button that goes would leave the keyboard at the top of the page.
    if (page.banner.contains(focused) && focused?.closest('[hidden]')) composer.focus();
  }

  /** @param {import('./frames.js').Budget | undefined} budget */
  function drawSpent(budget) {
    page.spent.hidden = !budget || Number(budget.session_spent_usd) <= 0;
    if (budget) setText(page.sum, `${money(budget.session_spent_usd)} / ${money(budget.session_usd)}`);
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
      button.dataset.testid = 'suggestion';
      button.textContent = suggestion;
      button.addEventListener('click', () => { if (send(suggestion)) composer.focus(); });
      return item;
    }));
  }

  return {
    /** @param {ChatSnapshot} next */
    show(next) {
      snapshot = next;
      schedule();
    },
    allowHistory() {
      history = true;
      schedule();
    },
    /** After a change of the language. */
    refresh: schedule,
    /** Another conversation is seen from its end. */
    stick: () => transcript?.stick(),
    copyLast: () => transcript?.copyLast(),
  };
}

/**
 * @param {ChatSnapshot} now
 * @param {boolean} outage whether it has lasted long enough to be told
 * @param {number} seconds until the next try to connect
 * @returns {Banner}
 */
function bannerOf({ connection, closeCode, conversation: { session, error, notices } }, outage, seconds) {
  const { texts } = language;
  if (connection === 'fatal') {
    const reason = error?.message || (closeCode ? `${texts.fatal} (${closeCode})` : texts.fatal);
    return { text: reason, tone: 'error', kind: connection };
  }
  if (outage && connection !== 'online') {
    const counting = connection === 'reconnecting' && seconds > 0;
    return { text: counting ? texts.reconnectIn(seconds) : texts[connection], tone: 'info', kind: connection };
  }
  if (session && !session.key_configured) return { text: texts.keyMissing, tone: 'error', kind: 'key' };
  const notice = /** @type {keyof typeof NOTICES | undefined} */ (notices.findLast((name) => name in NOTICES));
  return { text: notice ? texts[NOTICES[notice]] : '', tone: 'info', kind: notice ?? '', notice };
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}
