/** The figures of the moment: tiles, and the charts of the last turns. */

/** @import { Column } from './draw.js' */
/** @import { Figures, Timeline } from './types.js' */

import { drawColumns, drawSparkline, element, track } from './draw.js';
import { clock, count, duration, language, money, setText } from './texts.js';

// Five minutes, at a sample every three seconds.
const SAMPLES = 100;
const COLUMNS = 60;

/** @type {{ turns: number[], connections: number[] }} */
const samples = { turns: [], connections: [] };

/** @param {Figures} figures */
export function sample({ turns_running: turns, connections: { websocket, sse } }) {
  samples.turns = [...samples.turns, turns].slice(-SAMPLES);
  samples.connections = [...samples.connections, websocket + sse].slice(-SAMPLES);
}

/**
 * @param {Figures} figures
 * @param {Timeline[]} turns the latest first
 */
export function drawFigures(figures, turns) {
  const { texts } = language;
  setText(byId('turns-running'), count(figures.turns_running));
  const connections = count(figures.connections.websocket + figures.connections.sse);
  setText(byId('connections'), connections);
  drawSparkline(byId('turns-spark'), samples.turns, `${texts.turnsRunning}: ${count(figures.turns_running)}`);
  drawSparkline(byId('connections-spark'), samples.connections, `${texts.connections}: ${connections}`);
  setText(byId('version'), figures.version);
  drawPairs(byId('outcomes'), Object.entries(figures.outcomes).map(([outcome, n]) => [outcomeName(outcome), count(n)]));
  drawLatency(figures);
  drawDay(figures);
  drawFirstChunks(figures, turns);
  drawErrors(figures);
}

/** @param {Figures} figures */
function drawLatency({ first_chunk: first }) {
  setText(byId('first-chunk'), first ? duration(first.p50_ms) : '–');
  drawPairs(byId('first-chunk-rest'), first ? [['p95', duration(first.p95_ms)], ['p99', duration(first.p99_ms)]] : []);
}

/** @param {Element} list @param {[string, string][]} pairs */
function drawPairs(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))));
}

/** @param {Figures} figures */
function drawDay({ day }) {
  const { texts } = language;
  setText(byId('spent'), day ? money(day.spent_usd) : '–');
  setText(byId('spent-rest'), day ? texts.reservedOf(money(day.reserved_usd), money(day.cap_usd)) : texts.spentUnknown);
  if (!day) return byId('spent-meter').replaceChildren();
  const [spent, reserved, cap] = [day.spent_usd, day.reserved_usd, day.cap_usd].map(Number);
  const share = Math.min(1, spent / cap);
  return byId('spent-meter').replaceChildren(track(
    ...(reserved ? [{ from: 0, to: Math.min(1, (spent + reserved) / cap), tone: /** @type {const} */ ('soft') }] : []),
    ...(spent ? [{ from: 0, to: share, tone: share >= 0.8 ? /** @type {const} */ ('bad') : undefined }] : []),
  ));
}

/** @param {Figures} figures @param {Timeline[]} turns */
function drawFirstChunks({ first_chunk: first }, turns) {
  const { texts } = language;
  const columns = turns.slice(0, COLUMNS).reverse().flatMap(({ first_chunk_ms: ms, ended_at: at, outcome }) => (
    ms === null ? [] : [/** @type {Column} */ ({ value: ms, title: `${clock(at)} · ${duration(ms)}`, bad: isBad(outcome) })]));
  const marks = first ? [['p50', first.p50_ms], ['p95', first.p95_ms], ['p99', first.p99_ms]] : [];
  const told = first ? [[50, first.p50_ms], [95, first.p95_ms], [99, first.p99_ms]].map(([n, ms]) => texts.within(n, duration(ms))) : [texts.noTurns];
  drawColumns(byId('first-chunk-chart'), {
    columns, format: duration, label: `${texts.firstChunkOfTurns}: ${told.join(', ')}`,
    marks: marks.map(([name, value]) => ({ name: String(name), value: Number(value) })),
  });
}

/** @param {Figures} figures */
function drawErrors({ errors }) {
  const rows = Object.entries(errors).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...rows.map(([, n]) => n));
  byId('errors').replaceChildren(rows.length === 0
    ? element('p', { class: 'hint' }, language.texts.noErrors)
    : element('ul', { class: 'counts' }, ...rows.map(([code, n]) => element('li', {},
      element('code', {}, code), track({ from: 0, to: n / most, tone: 'bad' }), element('b', {}, count(n))))));
}

/** What the reader or the operator wanted is not bad. @param {string | null} outcome */
export function isBad(outcome) {
  return outcome !== null && !['ok', 'client_cancel', 'grace_expired'].includes(outcome);
}

/** @param {string | null} outcome */
export function outcomeName(outcome) {
  const { outcomes } = language.texts;
  return outcomes[/** @type {keyof typeof outcomes} */ (outcome)] ?? outcome ?? '';
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}
