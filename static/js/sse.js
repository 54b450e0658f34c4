/** What connection.js is over a WebSocket, over plain HTTP: a call for each thing said, and each answer as events. */

/** @import { ClientFrame, Failure } from './frames.js' */
/** @import { ConnectionDetail, ConnectionState, TransportOptions } from './types.js' */

import { calls } from './calls.js';
import { backoff, parse } from './connection.js';
import { createEventParser } from './eventstream.js';

const READY_WITHIN = 15_000;
// The server comments every 15 s, so this much silence is a dead connection.
const SILENCE = 40_000;
const PROBE_WITHIN = 4_000;
const LOST = 1006;
const NOT_ALLOWED = 4503;

const OF_SESSION = new Set(['session_not_found', 'report_not_found']);
const OF_FRAME = new Set([
  'invalid_frame', 'empty_message', 'message_too_long', 'busy', 'rate_limited', 'unknown_turn',
  // These have no frame on a WebSocket; they too say that a request was not taken.
  'origin_not_allowed', 'not_found', 'method_not_allowed', 'body_too_large', 'body_too_slow', 'rest_disabled',
  'too_many_connections', 'overloaded',
]);
// What a gateway without room for one more connection answers, and would answer to an event stream as well.
const FULL = new Set([429, 503]);

/**
 * Whether HTTP is of help: not where the server is down or full, nor where it serves WebSockets only.
 * @param {URL | string} url
 */
export async function reachable(url) {
  /** @param {URL} at */
  const knock = (at) => fetch(at, { cache: 'no-store', signal: AbortSignal.timeout(PROBE_WITHIN) });
  try {
    if (!(await knock(new URL('api/reports', calls(url)))).ok) return false;
    // A socket does not tell its page with which status it was refused.
    return !FULL.has((await knock(calls(url))).status);
  } catch {
    return false;
  }
}

/**
 * A problem (RFC 9457) as the frame it would have been, or null if it is none of the gateway's, but some proxy's.
 * @param {string} text
 * @param {{ id?: string, turn_id?: string }} about
 * @returns {Failure | null}
 */
function failure(text, about) {
  try {
    const { code, title, retryable = false, retry_after_ms } = JSON.parse(text);
    if (typeof code !== 'string') return null;
    const scope = OF_SESSION.has(code) ? 'session' : OF_FRAME.has(code) ? 'frame' : 'turn';
    return { type: 'error', scope, code, message: title, retryable, retry_after_ms, ...about };
  } catch {
    return null;
  }
}

/** @param {TransportOptions} options */
export function openEvents({ url, hello, onFrame, onState }) {
  const base = calls(url);
  /** @type {ConnectionState} */
  let state = 'connecting';
  let attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} the one thing waited for: a new try, `ready`, or the next event */
  let timer;
  let greeting = new AbortController();
  /** @type {AbortController | null} of the one answer followed: a session has one running turn */
  let following = null;
  /** @type {{ [name: string]: string }} */
  let headers = {};

  /** @param {number} ms @param {() => void} then */
  function wait(ms, then) {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  }

  /** @param {ConnectionState} next @param {ConnectionDetail} [detail] */
  function become(next, detail = {}) {
    state = next;
    onState(next, detail);
  }

  function drop() {
    clearTimeout(timer);
    greeting.abort();
    following?.abort();
    following = null;
  }

  /** @param {number} [pause] the least to wait, as the server wished */
  function lost(pause = 0) {
    drop();
    const delay = Math.max(pause, backoff(attempt++));
    wait(delay, open);
    become(navigator.onLine ? 'reconnecting' : 'offline', { code: LOST, retryAt: Date.now() + delay });
  }

  /**
   * @param {AbortController} mine once aborted, what it brings is no longer listened to
   * @param {string} method
   * @param {string} path
   * @param {{ accept?: string, body?: object }} [more]
   */
  function request(mine, method, path, { accept = 'application/json', body } = {}) {
    return fetch(new URL(path, base), {
      method, signal: mine.signal, cache: 'no-store',
      headers: { ...headers, accept, ...(body ? { 'content-type': 'application/json' } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
  }

  async function open() {
    drop();
    const mine = greeting = new AbortController();
    const { session, ...body } = hello();
    headers = { 'accept-language': body.locale, ...(session ? { authorization: `Bearer ${session}` } : {}) };
    wait(READY_WITHIN, () => lost());
    try {
      const { locale, report_id } = body;
      const response = await (session ? request(mine, 'GET', 'api/session') : request(mine, 'POST', 'api/sessions', { body: { locale, report_id } }));
      const text = await response.text();
      if (!mine.signal.aborted) greeted(response.ok, text);
    } catch {
      if (!mine.signal.aborted) lost();
    }
  }

  /** @param {boolean} ok @param {string} text */
  function greeted(ok, text) {
    const frame = ok ? parse(text) : failure(text, {});
    if (frame?.type === 'ready') {
      clearTimeout(timer);
      headers.authorization = `Bearer ${frame.session}`;
      onFrame(frame);
      return become('online');
    }
    if (frame?.type !== 'error' || frame.retryable) return lost(frame?.type === 'error' ? frame.retry_after_ms : 0);
    if (frame.scope === 'session') return onFrame(frame);
    drop();
    return become('fatal', { code: NOT_ALLOWED });
  }

  /**
   * Whether `response` is what was asked for; if not, what went wrong has been told.
   * @param {Response} response
   * @param {AbortController} mine
   * @param {{ id?: string, turn_id?: string }} about
   */
  async function accepted(response, mine, about) {
    if (response.ok) return true;
    const frame = failure(await response.text(), about);
    if (mine.signal.aborted) return false;
    if (mine === following) clearTimeout(timer);
    if (frame) onFrame(frame);
    else lost();
    return false;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ id?: string, turn_id?: string }} about
   * @param {object} [body]
   */
  async function follow(method, path, about, body) {
    following?.abort();
    const mine = following = new AbortController();
    let ended = false;
    wait(SILENCE, () => lost());
    try {
      const response = await request(mine, method, path, { accept: 'text/event-stream', body });
      ended = !await accepted(response, mine, about);
      const reader = ended ? null : response.body?.pipeThrough(new TextDecoderStream()).getReader();
      const take = createEventParser();
      for (let chunk = await reader?.read(); chunk && !chunk.done; chunk = await reader?.read()) {
        wait(SILENCE, () => lost());
        for (const frame of take(chunk.value).map(parse)) {
          if (mine.signal.aborted) return;
          if (!frame) continue;
          // Only now: where calls work and streams do not, a greeting must not make the next try come at once.
          attempt = 0;
          ended = frame.type === 'done' || frame.type === 'error';
          onFrame(frame);
        }
      }
    } catch {
      // The same as a stream that ends too early.
    }
    if (mine !== following) return;
    following = null;
    if (ended) clearTimeout(timer);
    else lost();
  }

  /** @param {string} turnId */
  async function cancel(turnId) {
    const mine = greeting;
    try {
      await accepted(await request(mine, 'DELETE', `api/turns/${turnId}`), mine, { turn_id: turnId });
    } catch {
      // The next `ready` brings the wish up again.
      if (!mine.signal.aborted) lost();
    }
  }

  function reopen() {
    attempt = 0;
    become(state === 'connecting' ? 'connecting' : 'reconnecting');
    open();
  }

  open();
  return {
    /** @param {ClientFrame} frame */
    send(frame) {
      if (!headers.authorization) return false;
      if (frame.type === 'message') {
        const { id, text, regenerate_of } = frame;
        follow('POST', 'api/messages', { id }, { id, text, regenerate_of });
      } else if (frame.type === 'resume') follow('GET', `api/turns/${frame.turn_id}/events?after=${frame.after}`, { turn_id: frame.turn_id });
      else if (frame.type === 'cancel') cancel(frame.turn_id);
      return true;
    },
    reopen,
    /** Nothing tells an idle page what another tab has asked meanwhile, so it looks. */
    check() {
      if (state === 'reconnecting' || state === 'offline') reopen();
      else if (state === 'online' && !following) open();
    },
    fail() {
      drop();
      become('fatal');
    },
    close: drop,
  };
}
