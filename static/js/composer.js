/** Where a question is written: when Enter means send, the draft, the length limit, Send and Stop in one place. */

import { language } from './texts.js';

const HANGUL = /^\p{Script=Hangul}+$/u;
const COMMIT_WITHIN = 1000;
const SECOND_ENTER_WITHIN = 40;
const SAME_KEYSTROKE = 100;
const DRAFT_AFTER = 300;
const COUNT_FROM = 0.8;

/**
 * Calls `send` once for every Enter meant as "send". Hangul has no candidate window, so its Enter means send even while
 * the last syllable is being composed; in Japanese or Chinese the same Enter only picks a candidate. Keyboards report that one
 * press as one event or as two, before or after the composition ends, hence the timers.
 * @param {HTMLTextAreaElement} box
 * @param {() => void} send
 * @returns {() => boolean} whether something is being composed
 */
export function onEnter(box, send) {
  let composing = false;
  let composed = '';
  let endedAt = -Infinity;
  let timer = 0;

  function sendNow() {
    window.clearTimeout(timer);
    timer = 0;
    // Emptying the box under a live composition leaves its syllable behind as the start of the next question.
    if (!composing) send();
  }

  /** @param {number} ms */
  function sendWithin(ms) {
    window.clearTimeout(timer);
    timer = window.setTimeout(sendNow, ms);
  }

  box.addEventListener('compositionstart', () => { composing = true; composed = ''; });
  box.addEventListener('compositionupdate', (event) => { composed = event.data; });
  box.addEventListener('compositionend', (event) => {
    composing = false;
    composed = event.data || composed;
    endedAt = performance.now();
    if (timer) sendWithin(SECOND_ENTER_WITHIN);
  });
  box.addEventListener('keydown', (event) => {
    const enter = event.key === 'Enter' || (event.key === 'Process' && event.code === 'Enter');
    if (!enter || event.shiftKey || isTouchFirst()) return;
    const forInputMethod = event.isComposing || composing || event.keyCode === 229;
    if (!forInputMethod) {
      event.preventDefault();
      sendNow();
    } else if (HANGUL.test(composed)) {
      // Safari ends the composition first and reports the same keystroke after it.
      const justEnded = !composing && performance.now() - endedAt < SAME_KEYSTROKE;
      if (justEnded) {
        event.preventDefault();
        sendNow();
      } else {
        // Not prevented: the input method needs this event to commit the syllable.
        sendWithin(COMMIT_WITHIN);
      }
    }
  });
  return () => composing;
}

// A screen keyboard has no Shift+Enter, so there Enter is the only way to a new line.
function isTouchFirst() {
  return matchMedia('(pointer: coarse) and (not (any-pointer: fine))').matches;
}

/**
 * @typedef {object} ComposerState
 * @property {boolean} online
 * @property {'idle' | 'sending' | 'running'} turn
 * @property {number} limit
 * @property {{ text: string } | null} returned
 * @property {string} lastQuestion
 * @property {import('./frames.js').Locale} locale
 */

/**
 * @param {object} parts
 * @param {HTMLFormElement} parts.form
 * @param {HTMLTextAreaElement} parts.box
 * @param {HTMLButtonElement} parts.send
 * @param {HTMLButtonElement} parts.stop
 * @param {HTMLElement} parts.counter
 * @param {object} actions
 * @param {(text: string) => boolean} actions.onSend
 * @param {() => void} actions.onStop
 * @param {{ load(): string, save(text: string): void }} actions.draft
 */
export function createComposer({ form, box, send, stop, counter }, { onSend, onStop, draft }) {
  /** @type {ComposerState | null} */
  let state = null;
  /** What was sent and may still be lost or refused. */
  let unconfirmed = '';
  let timer = 0;

  // The server counts characters, `String.length` counts UTF-16 units: an emoji would be two.
  const count = () => [...box.value].length;

  function refresh() {
    const limit = state?.limit ?? Infinity;
    const length = count();
    const over = length > limit;
    const ready = state?.online && state.turn === 'idle';
    send.ariaDisabled = String(!ready || over || !box.value.trim());
    box.ariaInvalid = over ? 'true' : null;
    counter.classList.toggle('over', over);
    counter.textContent = state && length > limit * COUNT_FROM
      ? language.texts.chars(length.toLocaleString(), limit.toLocaleString())
      : '';
    fit();
  }

  function fit() {
    if (CSS.supports('field-sizing', 'content')) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
  }

  // The stored draft outlives the box until the server has the question: a reload in between loses nothing.
  function saveDraft() {
    window.clearTimeout(timer);
    draft.save(joined(unconfirmed, box.value));
  }

  /** @param {string} text */
  function put(text) {
    box.value = text;
    refresh();
  }

  function submit() {
    if (send.ariaDisabled === 'true' || !onSend(box.value)) return;
    unconfirmed = box.value;
    put('');
  }

  /** @param {string} text */
  function giveBack(text) {
    // A change under a live composition would leave its syllable there twice.
    if (isComposing()) return box.addEventListener('compositionend', () => giveBack(text), { once: true });
    put(joined(text, box.value));
    return saveDraft();
  }

  // A screen keyboard would cover the answer that was just asked for.
  function focus() {
    if (matchMedia('(any-pointer: fine)').matches) box.focus();
  }

  form.addEventListener('submit', (event) => { event.preventDefault(); submit(); });
  stop.addEventListener('click', onStop);
  box.addEventListener('input', (event) => {
    window.clearTimeout(timer);
    timer = window.setTimeout(saveDraft, DRAFT_AFTER);
    // Measuring the box while a syllable is composed makes the page jump.
    if (!(event instanceof InputEvent && event.isComposing) || CSS.supports('field-sizing', 'content')) refresh();
  });
  window.addEventListener('pagehide', saveDraft);
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowUp' || event.isComposing || box.value || !state?.lastQuestion) return;
    event.preventDefault();
    put(state.lastQuestion);
    box.setSelectionRange(box.value.length, box.value.length);
    saveDraft();
  });
  const isComposing = onEnter(box, submit);
  put(draft.load());

  return {
    focus,
    /** @param {ComposerState} now */
    update(now) {
      const before = state;
      const returned = now.returned !== before?.returned && now.returned;
      // A turn may have come and gone since the last frame drawn, so that nothing else has changed.
      const settled = unconfirmed && now.turn !== 'sending';
      // Called for every frame drawn, and an answer in flight changes nothing here.
      if (before && !settled && Object.entries(now).every(([name, value]) => before[/** @type {keyof ComposerState} */ (name)] === value)) return;
      state = now;
      if (returned || settled) unconfirmed = '';
      if (returned) giveBack(returned.text);
      else if (settled) saveDraft();
      const busy = now.turn !== 'idle';
      const hadFocus = document.activeElement === (busy ? send : stop);
      send.hidden = busy;
      stop.hidden = !busy;
      if (hadFocus) focus();
      refresh();
    },
  };
}

/** @param {string[]} texts */
function joined(...texts) {
  return texts.filter(Boolean).join('\n');
}
