/** One WebSocket that is there again after an outage: hello, backoff, close codes. */

/** @import { ClientFrame, Hello, ServerFrame } from './frames.js' */

/** @typedef {'connecting' | 'online' | 'reconnecting' | 'offline' | 'fatal'} ConnectionState */
/** @typedef {{ code?: number | null, retryAt?: number | null }} ConnectionDetail `retryAt` in the time of `Date.now` */

/**
 * What a transport is: this file's over a WebSocket, or another's over HTTP.
 * @typedef {object} TransportOptions
 * @property {URL | string} url
 * @property {() => Hello} hello asked for at each connection, since token and locale change
 * @property {(frame: ServerFrame) => void} onFrame
 * @property {(state: ConnectionState, detail: ConnectionDetail) => void} onState
 */
/** @typedef {(options: TransportOptions) => ReturnType<typeof openConnection>} Transport */

const PROTOCOL = 'chatgw.v1';
const KNOWN = new Set(['ready', 'accepted', 'status', 'delta', 'snapshot', 'done', 'error', 'notice', 'pong']);

const FIRST_DELAY = 500;
const LONGEST_DELAY = 20_000;
const READY_WITHIN = 15_000;
const PONG_WITHIN = 5_000;
const TRANSIENT = new Set([1001, 1006, 1011, 1012, 1013]);

/** @param {number} code */
export function comesBack(code) {
  return TRANSIENT.has(code) || (code >= 4000 && code <= 4499);
}

/**
 * Full jitter: without it every tab of a restarted server would knock at the same moment.
 * @param {number} attempt
 */
export function backoff(attempt, random = Math.random) {
  return random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
}

/**
 * A frame this page does not know is null, not an error: a newer server may say more than an open tab understands.
 * @param {unknown} data
 * @returns {ServerFrame | null}
 */
export function parse(data) {
  if (typeof data !== 'string') return null;
  try {
    const frame = JSON.parse(data);
    return KNOWN.has(frame?.type) ? frame : null;
  } catch {
    return null;
  }
}

/** @param {TransportOptions} options */
export function openConnection({ url, hello, onFrame, onState }) {
  /** @type {WebSocket | null} */
  let socket = null;
  /** @type {ConnectionState} */
  let state = 'connecting';
  let attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} the one thing waited for: a new try, `ready`, or a pong */
  let timer;

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

  // The close event of a dead network can take minutes, so a socket given up is no longer listened to.
  function drop(code = 1000) {
    clearTimeout(timer);
    const old = socket;
    socket = null;
    old?.close(code);
  }

  function open() {
    drop();
    const mine = new WebSocket(url, PROTOCOL);
    socket = mine;
    mine.onopen = () => { if (mine === socket) mine.send(JSON.stringify(hello())); };
    mine.onclose = ({ code }) => { if (mine === socket) lost(code); };
    mine.onmessage = ({ data }) => { if (mine === socket) receive(data); };
    wait(READY_WITHIN, () => lost(1006));
  }

  /** @param {unknown} data */
  function receive(data) {
    if (state === 'online') clearTimeout(timer);
    const frame = parse(data);
    if (!frame) return;
    onFrame(frame);
    if (frame.type !== 'ready' || !socket) return;
    clearTimeout(timer);
    attempt = 0;
    become('online');
  }

  /** @param {number} code */
  function lost(code) {
    drop();
    if (!comesBack(code)) return become('fatal', { code });
    const delay = backoff(attempt++);
    wait(delay, open);
    become(navigator.onLine ? 'reconnecting' : 'offline', { code, retryAt: Date.now() + delay });
  }

  function reopen() {
    attempt = 0;
    become(state === 'connecting' ? 'connecting' : 'reconnecting');
    open();
  }

  open();
  return {
    /**
     * @param {ClientFrame} frame
     * @returns {boolean} whether it left
     */
    send(frame) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    reopen,
    /** After sleep or a network change a socket may be dead without knowing it. */
    check() {
      if (state === 'reconnecting' || state === 'offline') return reopen();
      if (state !== 'online') return undefined;
      this.send({ type: 'ping' });
      return wait(PONG_WITHIN, () => lost(1006));
    },
    /** Gives up for a reason the server stated in a frame. */
    fail() {
      drop();
      become('fatal');
    },
    close: () => drop(),
  };
}
