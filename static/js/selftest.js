/** Measures what a proxy does to answers, and says it in words; loaded when somebody asks. */

/** @import { Locale } from './frames.js' */

import { createEventParser } from './eventstream.js';

/** @typedef {'ok' | 'buffered' | 'cut' | 'blocked' | 'busy'} Verdict busy: the server itself has no room */
/** @typedef {{ sent: number, came: number }} Arrival milliseconds, each of a clock of its own */
/** @typedef {{ socket: Verdict, events: Verdict, roundTrip: number | null }} Findings a null: nobody answers */

const PROTOCOL = 'chatgw.v1';
const WITHIN = 10_000;
const ROUND_TRIPS = 3;
const NO_ROOM = new Error('no room');

const ko = {
  ok: '정상',
  buffered: '지연됨',
  cut: '중간에 끊김',
  blocked: '차단됨',
  busy: '혼잡',
  unreachable: '서버에 연결할 수 없습니다. 네트워크를 확인해 주세요.',
  fine: '중간에서 답변을 막거나 늦추는 것이 없습니다.',
  spare: '채팅은 WebSocket으로 문제없이 동작합니다.',
  overHttp: '네트워크의 프록시가 WebSocket을 막고 있어 HTTP로 연결합니다. 채팅은 그대로 이용할 수 있습니다.',
  nothing: '네트워크의 프록시가 답변을 막고 있습니다. 이 결과를 관리자에게 알려 주세요.',
  slowed: '네트워크의 프록시가 답변을 모았다가 전달합니다. 이 결과를 관리자에게 알려 주세요.',
  full: '지금은 연결이 너무 많습니다. 잠시 후 다시 시도해 주세요.',
  roundTrip: '왕복',
};

/** @type {typeof ko} */
const en = {
  ok: 'ok',
  buffered: 'held back',
  cut: 'cut off',
  blocked: 'blocked',
  busy: 'no room',
  unreachable: 'The server cannot be reached. Check your network.',
  fine: 'Nothing in between blocks or delays answers.',
  spare: 'The chat uses the WebSocket, which is fine.',
  overHttp: 'A proxy in your network blocks WebSockets, so the page connects over HTTP. The chat works all the same.',
  nothing: 'A proxy in your network blocks answers. Tell the administrator about this result.',
  slowed: 'A proxy in your network collects answers before it passes them on. Tell the administrator about this result.',
  full: 'There are too many connections at the moment. Try again shortly.',
  roundTrip: 'round trip',
};

/**
 * What became of the pieces on their way: `judge` of gateway/selftest.py, which says why.
 * @param {Arrival[]} arrivals
 * @param {number} of
 * @returns {Verdict}
 */
export function judge(arrivals, of) {
  if (arrivals.length === 0) return 'blocked';
  if (arrivals.length < of) return 'cut';
  const shrunk = arrivals.filter(({ sent, came }, n) => n > 0 && came - arrivals[n - 1].came < (sent - arrivals[n - 1].sent) / 2);
  return shrunk.length > (of - 1) / 2 ? 'buffered' : 'ok';
}

/**
 * @param {Findings} findings
 * @param {Locale} locale
 */
export function inWords({ socket, events, roundTrip }, locale) {
  const texts = locale === 'ko' ? ko : en;
  if (roundTrip === null) return texts.unreachable;
  const measured = `WebSocket: ${texts[socket]} · SSE: ${texts[events]} · ${texts.roundTrip} ${Math.round(roundTrip)} ms`;
  return `${measured}\n${texts[meaning(socket, events)]}`;
}

/** @returns {Promise<Findings>} */
export async function measure() {
  try {
    // One after the other: together they would measure each other.
    const roundTrip = await roundTripTime();
    return { roundTrip, socket: await outcome(overSocket), events: await outcome(overEvents) };
  } catch {
    return { roundTrip: null, socket: 'blocked', events: 'blocked' };
  }
}

/**
 * @param {Verdict} socket
 * @param {Verdict} events
 */
function meaning(socket, events) {
  if (events === 'busy') return 'full';
  if (socket === 'ok') return events === 'ok' ? 'fine' : 'spare';
  if (socket === 'buffered' || events === 'buffered') return 'slowed';
  return events === 'ok' ? 'overHttp' : 'nothing';
}

async function roundTripTime() {
  const took = [];
  // One more, because the first one connects.
  for (let n = 0; n <= ROUND_TRIPS; n++) {
    const began = performance.now();
    const response = await fetch(here('health'), { cache: 'no-store', signal: AbortSignal.timeout(WITHIN) });
    if (!response.ok) throw new Error(`${response.status}`);
    await response.text();
    took.push(performance.now() - began);
  }
  return took.slice(1).sort((a, b) => a - b)[Math.floor(ROUND_TRIPS / 2)];
}

/** @param {(take: (data: string) => void) => Promise<void>} over */
async function outcome(over) {
  /** @type {Arrival[]} */
  const arrivals = [];
  let expected = 0;
  try {
    await over((data) => {
      const { of, sent_ms: sent } = JSON.parse(data);
      expected = of;
      arrivals.push({ sent, came: performance.now() });
    });
  } catch (error) {
    if (error === NO_ROOM) return 'busy';
    // What came until then says enough.
  }
  return judge(arrivals, expected);
}

/** @param {(data: string) => void} take */
function overSocket(take) {
  const url = here('selftest/ws');
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url, PROTOCOL);
  return /** @type {Promise<void>} */ (new Promise((resolve) => {
    socket.onmessage = ({ data }) => take(data);
    socket.onclose = () => resolve();
    setTimeout(() => { socket.close(); resolve(); }, WITHIN);
  }));
}

/** @param {(data: string) => void} take */
async function overEvents(take) {
  const response = await fetch(here('selftest/events'), { cache: 'no-store', signal: AbortSignal.timeout(WITHIN) });
  if (response.status === 429 || response.status === 503) throw NO_ROOM;
  const reader = response.ok ? response.body?.pipeThrough(new TextDecoderStream()).getReader() : null;
  const parse = createEventParser();
  for (let chunk = await reader?.read(); chunk && !chunk.done; chunk = await reader?.read()) parse(chunk.value).forEach(take);
}

/** @param {string} path */
function here(path) {
  return new URL(path, location.href);
}
