/** A chat without a page: a store of one conversation, and what can be done to it. */

/** @import { Locale, ServerFrame } from './frames.js' */
/** @import { ChatSnapshot, Connection, Transport, Turn } from './types.js' */

import { withFallback } from './connection.js';
import { EMPTY, apply, ask, dismiss, exchanges, gap, running, stopping } from './conversation.js';

/** @typedef {Parameters<typeof createChat>[0]} ChatOptions */
/** @typedef {ReturnType<typeof createChat>} Chat */

const UNKNOWN_SESSION = 4502;

/** @type {ChatSnapshot} before anything has happened */
export const IDLE = Object.freeze({ connection: 'connecting', closeCode: null, retryAt: null, conversation: EMPTY });

/** @type {Connection} of a chat that was destroyed: whoever still holds it, as a React effect may, cannot bring it back */
const GONE = { send: () => false, reopen() {}, check() {}, fail() {}, close() {} };

/**
 * `subscribe` and `getSnapshot` have the shape React's `useSyncExternalStore` and its like expect.
 * @param {object} options
 * @param {URL | string} options.url
 * @param {Locale} options.locale
 * @param {string | null} [options.reportId]
 * @param {string | null} [options.session] token of an earlier visit
 * @param {(token: string | null) => void} [options.onSession] told whenever the token changes, to keep it
 * @param {Transport} [options.transport] how frames travel; unless given, as a WebSocket, or over HTTP where none gets through
 */
export function createChat({ url, locale, reportId = null, session = null, onSession = () => {}, transport = withFallback() }) {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {ChatSnapshot} */
  let snapshot = IDLE;
  let token = session;
  /** The gap last asked about: each further delta shows the same gap again, and asking each time would flood the server. */
  let asked = '';

  /** @param {Partial<ChatSnapshot>} change */
  function update(change) {
    snapshot = { ...snapshot, ...change };
    for (const listener of listeners) listener();
  }

  /** @param {string | null} next */
  function keep(next) {
    if (next === token) return;
    token = next;
    onSession(next);
  }

  let connection = transport({
    url,
    hello: () => ({ type: 'hello', locale, ...(token ? { session: token } : reportId ? { report_id: reportId } : {}) }),
    onFrame: receive,
    onState(state, { code = null, retryAt = null }) {
      if (state === 'fatal' && code === UNKNOWN_SESSION && token) return startAnew();
      return update({ connection: state, closeCode: code, retryAt });
    },
  });

  /** @param {ServerFrame} frame */
  function receive(frame) {
    if (frame.type === 'error' && frame.code === 'session_not_found' && token) return startAnew();
    const before = snapshot.conversation;
    const conversation = apply(before, frame);
    if (frame.type === 'ready') {
      keep(frame.session);
      asked = '';
      update({ conversation });
      return catchUp();
    }
    update({ conversation });
    if (frame.type === 'error' && frame.scope === 'session') return connection.fail();
    if (frame.type === 'accepted') stopIfWanted();
    const after = gap(before, frame);
    if (after !== null && 'turn_id' in frame && frame.turn_id) resume(frame.turn_id, after);
    return undefined;
  }

  /** @param {string} turnId @param {number} after */
  function resume(turnId, after) {
    const gapKey = `${turnId}:${after}`;
    if (gapKey === asked) return;
    asked = gapKey;
    connection.send({ type: 'resume', turn_id: turnId, after });
  }

  function catchUp() {
    for (const turn of snapshot.conversation.turns) {
      if (turn.state === 'running' && turn.turnId) resume(turn.turnId, turn.to);
      // The outage took the question or only its `accepted`: the same id makes asking again free of a second call.
      if (turn.state === 'sending') post(turn);
    }
    stopIfWanted();
  }

  function stopIfWanted() {
    const turn = running(snapshot.conversation);
    if (turn?.stopping && turn.turnId) connection.send({ type: 'cancel', turn_id: turn.turnId });
  }

  function startAnew() {
    keep(null);
    const unsent = snapshot.conversation.turns.find((turn) => turn.state === 'sending');
    const conversation = { ...EMPTY, returned: unsent ? { text: unsent.question } : null };
    update({ conversation, closeCode: null });
    connection.reopen();
  }

  /** @param {Pick<Turn, 'id' | 'question' | 'regenerateOf'>} turn */
  function post({ id, question, regenerateOf }) {
    connection.send({ type: 'message', id, text: question, ...(regenerateOf ? { regenerate_of: regenerateOf } : {}) });
  }

  /**
   * @param {string} text
   * @param {Turn | null} [replaced]
   * @returns {boolean} whether it was taken
   */
  function send(text, replaced = null) {
    const question = text.trim();
    const { conversation } = snapshot;
    if (!question || snapshot.connection !== 'online' || running(conversation)) return false;
    const regenerateOf = replaced?.turnId ?? replaced?.regenerateOf ?? null;
    const asked = { id: uuid(), question, regenerateOf, askedAt: new Date().toISOString() };
    update({ conversation: ask(conversation, asked, replaced) });
    post(asked);
    return true;
  }

  return {
    getSnapshot: () => snapshot,
    /** @param {() => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
    /** @param {string} text */
    send: (text) => send(text),
    stop() {
      const turn = running(snapshot.conversation);
      if (!turn || turn.stopping) return;
      update({ conversation: stopping(snapshot.conversation, turn.id) });
      stopIfWanted();
    },
    /**
     * Answers a question anew, after a failure too. The id is new on purpose: the old one would only bring back the old answer.
     * @param {string} id of any version
     */
    regenerate(id) {
      const versions = exchanges(snapshot.conversation.turns).find((e) => e.versions.some((v) => v.id === id))?.versions;
      // The server quotes what has not been replaced, so the replaced one must be the one it would quote.
      const replaced = versions?.findLast((v) => v.text) ?? versions?.at(-1);
      return replaced ? send(replaced.question, replaced) : false;
    },
    /** Brings what was said before `ready.turns`; rejects where it cannot be had. */
    async loadEarlier() {
      const { loadEarlier } = await import('./history.js');
      await loadEarlier(url, locale, () => snapshot.conversation, (conversation) => update({ conversation }));
    },
    /** @param {string} code of a notice */
    dismiss: (code) => update({ conversation: dismiss(snapshot.conversation, code) }),
    /** The server words its messages in the locale of `hello`, so a new locale needs a new hello. @param {Locale} next */
    setLocale(next) {
      if (next === locale) return;
      locale = next;
      connection.reopen();
    },
    reconnect: () => connection.reopen(),
    check: () => connection.check(),
    destroy() {
      listeners.clear();
      connection.close();
      connection = GONE;
    },
  };
}

/** `crypto.randomUUID` is missing on plain-http pages, which is how a company network often serves this one. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
