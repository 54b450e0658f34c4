/** The list of the last turns. A row stays the same element, or a refresh would take the focus from it. */

/** @import { Timeline } from './types.js' */

import { element } from './draw.js';
import { byId, isBad, outcomeName } from './figures.js';
import { clock, count, duration, language, money } from './texts.js';

/** @type {Map<string, HTMLElement>} */
let rows = new Map();
let drawnIn = '';

/**
 * @param {Timeline[]} turns the latest first
 * @param {string} chosen trace id
 */
export function drawTurns(turns, chosen) {
  if (drawnIn !== language.locale) rows.clear();
  drawnIn = language.locale;
  const list = byId('turns');
  byId('no-turns').hidden = turns.length > 0;
  rows = new Map(turns.map((turn) => [turn.turn_id, rows.get(turn.turn_id) ?? row(turn)]));
  const wanted = [...rows.values()];
  for (const old of [...list.children]) if (!wanted.includes(/** @type {HTMLElement} */ (old))) old.remove();
  for (const [index, line] of wanted.entries()) {
    if (list.children[index] !== line) list.insertBefore(line, list.children[index] ?? null);
    line.ariaCurrent = line.dataset.trace === chosen ? 'true' : null;
  }
}

/** @param {Timeline} turn */
function row(turn) {
  const { input_tokens: asked, output_tokens: answered } = turn.usage;
  return /** @type {HTMLElement} */ (element('tr', { 'data-trace': turn.trace_id, 'data-bad': isBad(turn.outcome) ? '' : undefined },
    element('td', {}, element('time', { datetime: turn.ended_at }, clock(turn.ended_at))),
    element('td', {}, outcomeName(turn.outcome)),
    element('td', { class: 'number' }, duration(turn.first_chunk_ms)),
    element('td', { class: 'number' }, duration(turn.ended_ms)),
    element('td', { class: 'number' }, turn.first_chunk_ms === null ? '–' : duration(turn.worst_gap_ms)),
    element('td', { class: 'number' }, `${count(asked)} → ${count(answered)}`),
    element('td', { class: 'number' }, money(turn.cost_usd)),
    element('td', {}, element('a', { class: 'link', href: `#${turn.trace_id}`, title: turn.trace_id }, element('code', {}, `${turn.trace_id.slice(0, 8)}…`)))));
}
