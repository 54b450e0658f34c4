/** What a conversation is, and how each frame changes it: pure functions, a new state for every change. */

/** @import { Accepted, Done, Failure, Ready, ServerFrame, StoredTurn } from './frames.js' */

/**
 * @typedef {object} Turn
 * @property {string} id made by the client that asked
 * @property {string | null} turnId null until the server has accepted the question
 * @property {string} question
 * @property {string} text
 * @property {number} to position of the last piece held
 * @property {'sending' | 'running' | 'ended'} state
 * @property {'waiting' | 'slow' | 'retrying' | null} status
 * @property {boolean} stopping
 * @property {Done | Failure | null} end null on an ended turn whose end nobody recorded
 */

/**
 * @typedef {object} Conversation
 * @property {Ready | null} session
 * @property {Turn[]} turns
 * @property {Failure | null} error of the session or of the last frame sent; a turn keeps its own
 * @property {{ text: string } | null} returned a question the server refused; a new object each time
 * @property {boolean} draining
 * @property {boolean} budgetLow
 */

/** @type {Conversation} */
export const EMPTY = Object.freeze({
  session: null, turns: [], error: null, returned: null, draining: false, budgetLow: false,
});

/** @type {Pick<Turn, 'text' | 'to' | 'status' | 'stopping' | 'end'>} */
const UNANSWERED = { text: '', to: 0, status: null, stopping: false, end: null };

/** @param {Conversation} state */
export function running(state) {
  return state.turns.findLast((turn) => turn.state !== 'ended');
}

/**
 * @param {Conversation} state
 * @param {string} id
 * @param {string} question
 * @returns {Conversation}
 */
export function ask(state, id, question) {
  const turn = { ...UNANSWERED, id, turnId: null, question, state: /** @type {const} */ ('sending') };
  return { ...state, turns: [...state.turns, turn], error: null, returned: null };
}

/**
 * @param {Conversation} state
 * @param {string} id
 */
export function stopping(state, id) {
  return patch(state, { id }, { stopping: true });
}

/**
 * The position to resume from when `frame` shows that pieces are missing, else null. Judged on the state before `apply`.
 * @param {Conversation} state
 * @param {ServerFrame} frame
 */
export function gap(state, frame) {
  if (frame.type !== 'delta' && frame.type !== 'done' && frame.type !== 'error') return null;
  const turn = find(state, frame);
  if (!turn) return null;
  const missing = frame.type === 'delta'
    ? frame.from !== turn.to && frame.to > turn.to
    : (frame.to ?? 0) > turn.to;
  return missing ? turn.to : null;
}

/**
 * @param {Conversation} state
 * @param {ServerFrame} frame
 * @returns {Conversation}
 */
export function apply(state, frame) {
  switch (frame.type) {
    case 'ready':
      return restore(state, frame);
    case 'accepted':
      return accept(state, frame);
    case 'status':
      return patch(state, frame, { status: frame.state });
    case 'delta': {
      const turn = find(state, frame);
      if (!turn || frame.from !== turn.to) return state;
      return patch(state, frame, { text: turn.text + frame.text, to: frame.to, status: null });
    }
    case 'snapshot':
      return patch(state, frame, { text: frame.text, to: frame.to, status: null });
    case 'done':
      return patch(state, frame, { state: 'ended', status: null, end: frame });
    case 'error':
      return fail(state, frame);
    case 'notice':
      if (frame.code === 'draining') return { ...state, draining: true };
      if (frame.code === 'budget_low') return { ...state, budgetLow: true };
      return state;
    default:
      return state;
  }
}

/**
 * @param {Conversation} state
 * @param {Ready} ready
 * @returns {Conversation}
 */
function restore(state, ready) {
  const same = state.session?.session_id === ready.session_id;
  const held = same ? state.turns : [];
  const active = ready.active_turn?.turn_id;
  const stored = ready.turns.map((turn) => restoreTurn(turn, held.find((h) => h.id === turn.id), active));
  // `ready.turns` is a window: what scrolled out of it stays on the page, what it does not know yet is still on its way.
  const others = held.filter((h) => !stored.some((s) => s.id === h.id));
  const turns = [...others.filter((h) => h.turnId), ...stored, ...others.filter((h) => !h.turnId)];
  if (active && !turns.some((turn) => turn.turnId === active)) {
    turns.push({ ...UNANSWERED, id: active, turnId: active, question: '', state: 'running' });
  }
  return { ...(same ? state : EMPTY), returned: state.returned, session: ready, turns, error: null, draining: false };
}

/**
 * @param {StoredTurn} stored
 * @param {Turn | undefined} held
 * @param {string | undefined} active
 * @returns {Turn}
 */
function restoreTurn(stored, held, active) {
  const end = stored.end ?? held?.end ?? null;
  // Storage lags behind a running answer; a tab that holds more must not lose it.
  const text = held && held.to > stored.to ? held : stored;
  return {
    id: stored.id, turnId: stored.turn_id, question: stored.question, text: text.text, to: text.to,
    state: !end && stored.turn_id === active ? 'running' : 'ended',
    status: null, stopping: held?.stopping ?? false, end,
  };
}

/**
 * @param {Conversation} state
 * @param {Accepted} frame
 * @returns {Conversation}
 */
function accept(state, frame) {
  const turn = find(state, frame);
  if (turn) return turn.state === 'sending' ? patch(state, frame, { turnId: frame.turn_id, state: 'running' }) : state;
  const { id, turn_id: turnId, text: question = '' } = frame;
  return { ...state, turns: [...state.turns, { ...UNANSWERED, id, turnId, question, state: 'running' }] };
}

/**
 * @param {Conversation} state
 * @param {Failure} frame
 * @returns {Conversation}
 */
function fail(state, frame) {
  const turn = find(state, frame);
  if (turn && (frame.scope === 'turn' || frame.code === 'unknown_turn')) {
    return patch(state, frame, { state: 'ended', status: null, end: frame });
  }
  if (turn?.state !== 'sending') return { ...state, error: frame };
  return { ...state, error: frame, returned: { text: turn.question }, turns: state.turns.filter((t) => t !== turn) };
}

/**
 * @param {Conversation} state
 * @param {{ id?: string, turn_id?: string }} key
 */
function find(state, { id, turn_id }) {
  return state.turns.findLast((turn) => (turn_id && turn.turnId === turn_id) || (id && turn.id === id));
}

/**
 * @param {Conversation} state
 * @param {{ id?: string, turn_id?: string }} key
 * @param {Partial<Turn>} change
 * @returns {Conversation}
 */
function patch(state, key, change) {
  const found = find(state, key);
  return { ...state, turns: state.turns.map((turn) => (turn === found ? { ...turn, ...change } : turn)) };
}
