/** What a conversation is, and how each frame changes it: pure functions, a new state for every change. */

/** @import { Accepted, Done, Failure, Ready, ServerFrame, StoredTurn } from './frames.js' */
/** @import { Conversation, Exchange, Turn } from './types.js' */

/** @type {Conversation} */
export const EMPTY = Object.freeze({
  session: null, turns: [], error: null, returned: null, notices: [],
});

/** @type {Omit<Turn, 'id' | 'turnId' | 'question' | 'state'>} */
const UNANSWERED = {
  n: 0, text: '', to: 0, status: null, stopping: false, shortened: false, witnessed: true, regenerateOf: null, askedAt: null, end: null,
};

/** @param {Conversation} state */
export function running(state) {
  return state.turns.findLast((turn) => turn.state !== 'ended');
}

/**
 * @param {Turn[]} turns
 * @returns {Exchange[]}
 */
export function exchanges(turns) {
  /** @type {Exchange[]} */
  const all = [];
  /** @type {Map<string, Exchange>} */
  const byTurn = new Map();
  for (const turn of turns) {
    let exchange = turn.regenerateOf ? byTurn.get(turn.regenerateOf) : undefined;
    if (!exchange) all.push(exchange = { id: turn.id, versions: [] });
    exchange.versions.push(turn);
    if (turn.turnId) byTurn.set(turn.turnId, exchange);
  }
  return all;
}

/**
 * @param {Conversation} state
 * @param {Pick<Turn, 'id' | 'question' | 'regenerateOf' | 'askedAt'>} asked
 * @param {Turn | null} replaced gives way if it was never stored: no version of anything, it would only stand there twice
 * @returns {Conversation}
 */
export function ask(state, asked, replaced) {
  const turn = { ...UNANSWERED, ...asked, turnId: null, state: /** @type {const} */ ('sending') };
  const kept = state.turns.filter((t) => t.turnId || t !== replaced);
  return { ...state, turns: [...kept, turn], error: null, returned: null };
}

/**
 * @param {Conversation} state
 * @param {string} id
 */
export function stopping(state, id) {
  return patch(state, { id }, { stopping: true });
}

/**
 * @param {Conversation} state
 * @param {string} code
 * @returns {Conversation}
 */
export function dismiss(state, code) {
  return { ...state, notices: state.notices.filter((notice) => notice !== code) };
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
      return end(state, frame, frame.turn_id);
    case 'error':
      return fail(state, frame);
    case 'notice':
      return { ...state, notices: [...state.notices, frame.budget ? `${frame.code}:${frame.budget}` : frame.code] };
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
  const turns = [...others.filter((h) => h.turnId), ...stored, ...others.filter((h) => h.state === 'sending')];
  // What failed before it was stored stays behind the turn it came after.
  for (const turn of others.filter((h) => !turns.includes(h))) {
    const before = held[held.indexOf(turn) - 1]?.id;
    turns.splice(turns.findIndex(({ id }) => id === before) + 1, 0, turn);
  }
  if (active && !turns.some((turn) => turn.turnId === active)) {
    turns.push({ ...UNANSWERED, id: active, turnId: active, question: '', state: 'running' });
  }
  return { ...(same ? state : EMPTY), returned: state.returned, session: ready, turns, error: null, notices: same ? dismiss(state, 'draining').notices : [] };
}

/**
 * @param {StoredTurn} stored
 * @param {Turn} [held]
 * @param {string} [active]
 * @returns {Turn}
 */
export function restoreTurn(stored, held, active) {
  const end = stored.end ?? held?.end ?? null;
  // Storage lags behind a running answer; a tab that holds more must not lose it.
  const text = held && held.to > stored.to ? held : stored;
  const runs = !end && stored.turn_id === active;
  return {
    id: stored.id, turnId: stored.turn_id, n: stored.n, question: stored.question, text: text.text, to: text.to,
    state: runs ? 'running' : 'ended', witnessed: held?.witnessed ?? runs,
    status: null, stopping: held?.stopping ?? false, shortened: held?.shortened ?? false,
    regenerateOf: stored.regenerate_of ?? null, askedAt: stored.asked_at, end,
  };
}

/**
 * @param {Conversation} state
 * @param {Accepted} frame
 * @returns {Conversation}
 */
function accept(state, frame) {
  const turn = find(state, frame);
  const { id, turn_id: turnId, text: question = '', shortened = false, regenerate_of: regenerateOf = null } = frame;
  if (turn) return turn.state === 'sending' ? patch(state, frame, { turnId, shortened, state: 'running' }) : state;
  return { ...state, turns: [...state.turns, { ...UNANSWERED, id, turnId, question, shortened, regenerateOf, state: 'running' }] };
}

/**
 * @param {Conversation} state
 * @param {Done | Failure} frame
 * @param {string | null} turnId
 * @returns {Conversation}
 */
function end(state, frame, turnId) {
  const ended = patch(state, frame, { turnId, state: 'ended', status: null, end: frame });
  const { session } = ended;
  // A failure may have cost something too.
  return session && frame.budget ? { ...ended, session: { ...session, budget: frame.budget } } : ended;
}

/**
 * @param {Conversation} state
 * @param {Failure} frame
 * @returns {Conversation}
 */
function fail(state, frame) {
  const turn = find(state, frame);
  if (turn && (frame.scope === 'turn' || frame.code === 'unknown_turn')) {
    return end(state, frame, frame.turn_id ?? turn.turnId);
  }
  if (turn?.state !== 'sending') return { ...state, error: frame };
  return { ...state, error: frame, returned: turn.regenerateOf ? null : { text: turn.question }, turns: state.turns.filter((t) => t !== turn) };
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
