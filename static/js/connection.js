/** One WebSocket that is there again after an outage: hello, backoff, close codes. And another way where none gets through. */

/** @import { ClientFrame, ServerFrame } from './frames.js' */
/** @import { Connection, ConnectionDetail, ConnectionState, Transport, TransportOptions } from './types.js' */

const PROTOCOL = 'chatgw.v1';
const KNOWN = new Set(['ready', 'accepted', 'status', 'delta', 'snapshot', 'done', 'error', 'notice', 'pong']);

const FIRST_DELAY = 500;
const LONGEST_DELAY = 20_000;
const READY_WITHIN = 15_000;
const ANSWER_WITHIN = 5_000;
// The server takes frames in their order, and a store that hangs is given eight seconds for one.
const PONG_WITHIN = 10_000;
// As over HTTP.
const SILENCE = 40_000;
const OPEN_WITHIN = 4_000;
const FAILURES = 2;
const PROBE_AFTER = 10 * 60_000;
const NO_CLOSE = 1006;
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
  /** @type {ReturnType<typeof setTimeout> | undefined} the one thing waited for: a new try, `ready`, a pong, or the next frame */
  let timer;

  /** @param {number} ms @param {() => void} then */
  function wait(ms, then) {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  }

  // A firewall that forgets a connection tells nobody. In a hidden tab silence says nothing: the browser itself delays things.
  function listen(ms = SILENCE) {
    wait(ms, () => { if (globalThis.document?.hidden) listen(); else check(); });
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
    const frame = parse(data);
    const ready = frame?.type === 'ready';
    // Now, since `onFrame` may say something that is to be answered.
    if (ready) state = 'online';
    if (state === 'online') listen();
    if (frame) onFrame(frame);
    if (!ready || state !== 'online') return;
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

  /**
   * @param {ClientFrame} frame
   * @returns {boolean} whether it left
   */
  function send(frame) {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(frame));
    if (state === 'online') listen(ANSWER_WITHIN);
    return true;
  }

  /** After sleep or a network change a socket may be dead without knowing it. */
  function check() {
    if (state === 'reconnecting' || state === 'offline') return reopen();
    if (state !== 'online') return undefined;
    send({ type: 'ping' });
    return wait(PONG_WITHIN, () => lost(1006));
  }

  open();
  return {
    send,
    reopen,
    check,
    /** Gives up for a reason the server stated in a frame. */
    fail() {
      drop();
      become('fatal');
    },
    close: () => drop(),
  };
}

/**
 * A WebSocket where one gets through, and plain HTTP where none does, as behind some proxies: a new try every ten minutes.
 * @param {object} [memory]
 * @param {number} [memory.until] HTTP is used until then without a try, in the time of `Date.now`
 * @param {(until: number) => void} [memory.onFall] told whenever `until` changes, to keep it
 * @returns {Transport}
 */
export function withFallback({ until = 0, onFall = () => {} } = {}) {
  /** @param {number} next */
  function keep(next) {
    until = next;
    onFall(next);
  }

  return (options) => {
    /** @type {Connection | null} null until sse.js is loaded */
    let current = null;
    let closed = false;
    let falling = false;
    /** Sockets that did not open, in a row; the loss of an open one is not one of them. */
    let failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    function overSocket() {
      failures = 0;
      timer = setTimeout(() => fall(FAILURES), OPEN_WITHIN);
      current = openConnection({ ...options, onState(state, detail) {
        // A refusal is no silence.
        if (state !== 'connecting') clearTimeout(timer);
        if (state === 'online') failures = -1;
        // Any other code is the server's own word, and so came through a socket.
        if (detail.code === NO_CLOSE && ++failures > 0) fall(failures);
        options.onState(state, detail);
      } });
    }

    /** @param {number} tries that have failed */
    async function fall(tries) {
      if (falling) return;
      falling = true;
      try {
        const { openEvents, reachable } = await import('./sse.js');
        // A server that is away or full is waited for. Asked after each try, since it may have room a moment later.
        const helps = await reachable(options.url);
        if (!helps) failures = Math.min(failures, 0);
        if (!helps || tries < FAILURES || closed || failures < 0) return;
        clearTimeout(timer);
        current?.close();
        keep(Date.now() + PROBE_AFTER);
        current = openEvents(options);
        timer = setTimeout(probe, PROBE_AFTER);
      } catch {
        // sse.js is as far away as the server.
      } finally {
        falling = false;
      }
    }

    async function overHttp() {
      try {
        const { openEvents } = await import('./sse.js');
        if (closed) return;
        current = openEvents(options);
        timer = setTimeout(probe, until - Date.now());
      } catch {
        if (!closed) overSocket();
      }
    }

    // Beside the connection in use, so that a reader behind such a proxy does not lose it every ten minutes.
    function probe() {
      const socket = new WebSocket(options.url, PROTOCOL);
      socket.onopen = () => {
        socket.close();
        if (closed) return;
        current?.close();
        keep(0);
        overSocket();
      };
      socket.onerror = () => {
        if (closed) return;
        keep(Date.now() + PROBE_AFTER);
        timer = setTimeout(probe, PROBE_AFTER);
      };
    }

    if (until > Date.now()) overHttp();
    else overSocket();
    return {
      send: (frame) => current?.send(frame) ?? false,
      reopen: () => current?.reopen(),
      check: () => current?.check(),
      fail: () => current?.fail(),
      close() {
        closed = true;
        clearTimeout(timer);
        current?.close();
      },
    };
  };
}
