/** The conversation on the page: one item an exchange, of which the last ones are shown. Loaded with the first question. */

/** @import { Conversation } from './types.js' */

import { exchanges, running } from './conversation.js';
import { followEnd } from './scroll.js';
import { announce, label, language } from './texts.js';
import { createItem } from './turn.js';

// A question and its answer are two messages: the last 50 of them, and 50 more at a time.
const WINDOW = 25;
const STILL_WRITING_AFTER = 8000;

/** @typedef {ReturnType<typeof createItem>} Item */

/**
 * @param {object} parts
 * @param {HTMLElement} parts.viewport
 * @param {HTMLOListElement} parts.list
 * @param {HTMLTemplateElement} parts.template
 * @param {HTMLElement} parts.jump
 * @param {HTMLElement} parts.earlier
 * @param {object} actions
 * @param {(id: string) => void} actions.onRegenerate
 * @param {() => Promise<void>} actions.onEarlier
 */
export function createTranscript({ viewport, list, template, jump, earlier }, { onRegenerate, onEarlier }) {
  const { stick, holding } = followEnd(viewport, list, jump);
  /** @type {Map<string, Item>} */
  const items = new Map();
  /** @type {Conversation | null} */
  let shown = null;
  let idle = true;
  /** Whether the server has turns from before those held. */
  let older = false;
  let first = 0;
  /** The turn being announced, and when something was last said about it. */
  let watched = { id: '', saidAt: 0 };

  earlier.addEventListener('click', async () => {
    if (first > 0) {
      first = Math.max(0, first - WINDOW);
      return holding(draw);
    }
    if (earlier.ariaDisabled === 'true') return undefined;
    earlier.ariaDisabled = 'true';
    const failed = await onEarlier().then(() => false, () => true);
    earlier.ariaDisabled = 'false';
    label(earlier, failed ? 'earlierFailed' : 'earlier');
    if (failed) announce(language.texts.earlierFailed);
    return undefined;
  });

  function draw() {
    if (!shown) return;
    const all = exchanges(shown.turns);
    // The window begins where it began when the conversation was opened: taking items away above would move the rest.
    if (items.size === 0) first = Math.max(0, all.length - WINDOW);
    const window = all.slice(first);
    const ids = new Set(window.map(({ id }) => id));
    for (const [id, item] of items) {
      if (ids.has(id)) continue;
      item.root.remove();
      items.delete(id);
    }
    for (const [index, { id, versions }] of window.entries()) {
      const item = items.get(id) ?? createItem(template, () => onRegenerate(id));
      items.set(id, item);
      // Moved only when out of place: re-inserting an item drops the reader's selection in it.
      if (list.children[index] !== item.root) list.insertBefore(item.root, list.children[index] ?? null);
      const last = index === window.length - 1;
      item.update(versions, { locale: language.locale, canRegenerate: last && idle, last });
    }
    const focused = document.activeElement === earlier;
    earlier.hidden = first === 0 && !older;
    if (focused && earlier.hidden) viewport.focus({ preventScroll: true });
  }

  function tell() {
    const turns = shown?.turns ?? [];
    const turn = (shown && running(shown)) ?? turns.find(({ id }) => id === watched.id);
    if (!turn) return;
    if (turn.id !== watched.id) watched = { id: turn.id, saidAt: 0 };
    if (turn.state === 'ended') {
      watched = { id: '', saidAt: 0 };
      // A failure is an alert already.
      if (turn.end?.type !== 'done') return;
      announce(turn.end.finish_reason === 'cancelled' ? language.texts.answerStopped : language.texts.answerDone);
    } else if (turn.text && !watched.saidAt) {
      watched.saidAt = performance.now();
      announce(language.texts.answerStarted);
    } else if (turn.text && performance.now() - watched.saidAt > STILL_WRITING_AFTER) {
      watched.saidAt = Infinity;
      announce(language.texts.stillWriting);
    }
  }

  return {
    stick,
    /**
     * @param {Conversation} conversation
     * @param {{ free: boolean, older: boolean }} more whether a question could be asked now, and earlier turns be had
     */
    update(conversation, more) {
      const before = shown?.turns[0]?.id;
      const grown = before !== undefined && conversation.turns.findIndex(({ id }) => id === before) > 0;
      shown = conversation;
      idle = more.free;
      older = more.older;
      if (grown) holding(draw);
      else draw();
      tell();
    },
    copyLast() {
      const last = exchanges(shown?.turns ?? []).findLast(({ versions }) => versions.some(({ text }) => text));
      if (last) items.get(last.id)?.copy();
    },
  };
}
