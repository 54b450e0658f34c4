/** One turn from its question to its stored end, step by step. */

/** @import { Timeline } from './types.js' */

import { element, track } from './draw.js';
import { byId, outcomeName } from './figures.js';
import { count, duration, language, money } from './texts.js';

/** @typedef {{ name: string, from: number, to: number, bad?: boolean }} Step in milliseconds */

/** @param {Timeline[] | null} turns of one trace; null where none was chosen */
export function drawTrace(turns) {
  const { texts } = language;
  const hint = turns === null ? texts.chooseTurn : texts.unknownTrace;
  byId('trace').replaceChildren(...(turns?.length ? turns.map(one) : [element('p', { class: 'hint' }, hint)]));
}

/** @param {Timeline} turn */
function one(turn) {
  const { texts } = language;
  /** @type {[string, string][]} */
  const facts = [
    [texts.outcome, outcomeName(turn.outcome)],
    [texts.code, turn.code ?? ''],
    [texts.model, turn.model],
    [texts.context, turn.context ? texts.contextOf[turn.context] : ''],
    [texts.tokens, `${count(turn.usage.input_tokens)} → ${count(turn.usage.output_tokens)}`],
    [texts.cost, turn.cost_source === 'estimated' ? `${money(turn.cost_usd)} (${texts.estimated})` : money(turn.cost_usd)],
    [texts.worstGap, turn.first_chunk_ms === null ? '' : duration(turn.worst_gap_ms)],
    [texts.trace, turn.trace_id],
  ];
  const list = facts.filter(([, value]) => value).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]);
  return element('section', { class: 'one', 'data-testid': 'one-turn' }, element('dl', {}, ...list), waterfall(stepsOf(turn)));
}

/** @param {Timeline} turn @returns {Step[]} */
function stepsOf(turn) {
  const { texts } = language;
  const { attempts, accepted_ms: accepted, recalled_ms: recalled, reserved_ms: reserved, saved_ms: saved } = turn;
  const { first_chunk_ms: first, last_chunk_ms: last, ended_ms: ended } = turn;
  /** @type {[string, number | null, number | null, boolean?][]} */
  const steps = [
    [texts.stepStored, 0, accepted],
    [texts.stepRecalled, accepted, recalled],
    [texts.stepReserved, recalled, reserved],
    ...attempts.map(({ began_ms: began, result }, index) => /** @type {[string, number, number | null, boolean]} */ ([
      texts.stepAsked(index + 1, result ?? texts.running), began, attempts[index + 1]?.began_ms ?? first ?? ended, result !== 'ok' && result !== 'stopped',
    ])),
    [texts.stepWritten(turn.pieces), first, last],
    [texts.stepEnded, last ?? attempts.at(-1)?.began_ms ?? reserved ?? recalled ?? accepted ?? 0, ended],
    [texts.stepSaved, ended, saved],
  ];
  return steps.flatMap(([name, from, to, bad]) => (from === null || to === null ? [] : [{ name, from, to, bad }]));
}

/** @param {Step[]} steps */
function waterfall(steps) {
  const { texts } = language;
  const whole = Math.max(1, ...steps.map(({ to }) => to));
  const head = [[texts.step, ''], [texts.when, ''], [texts.took, 'number']];
  return element('table', { class: 'waterfall' },
    element('thead', {}, element('tr', {}, ...head.map(([text, kind]) => element('th', { scope: 'col', class: kind }, text)))),
    element('tbody', {}, ...steps.map(({ name, from, to, bad }) => element('tr', {},
      element('th', { scope: 'row' }, name),
      element('td', {}, track({ from: from / whole, to: to / whole, tone: bad ? 'bad' : undefined }), element('span', { class: 'unseen' }, duration(from))),
      element('td', { class: 'number' }, duration(to - from))))));
}
