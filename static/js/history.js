/** What was said before the turns that `ready` brings, over HTTP. Loaded when somebody wants to see it. */

/** @import { Conversation } from './types.js' */
/** @import { StoredTurn } from './frames.js' */

import { calls } from './calls.js';
import { restoreTurn } from './conversation.js';

const AT_ONCE = 25;
const WITHIN = 15_000;

/**
 * Puts the turns from before the first one held into the conversation. Rejects where they cannot be had.
 * @param {URL | string} url of the WebSocket
 * @param {string} locale
 * @param {() => Conversation} read
 * @param {(next: Conversation) => void} write
 */
export async function loadEarlier(url, locale, read, write) {
  const { session, turns: [first] } = read();
  if (!session || !first?.n) return;
  const response = await fetch(new URL(`api/messages?before=${first.n}&limit=${AT_ONCE}`, calls(url)), {
    cache: 'no-store',
    signal: AbortSignal.timeout(WITHIN),
    headers: { accept: 'application/json', 'accept-language': locale, authorization: `Bearer ${session.session}` },
  });
  if (!response.ok) throw new Error(`earlier turns: ${response.status}`);
  /** @type {StoredTurn[]} */
  const earlier = await response.json();
  // Meanwhile the conversation may have gone on, or be another one.
  const now = read();
  if (now.session?.session_id !== session.session_id) return;
  const unknown = earlier.filter(({ id }) => !now.turns.some((turn) => turn.id === id));
  write({ ...now, turns: [...unknown.map((turn) => restoreTurn(turn)), ...now.turns] });
}
