/** One exchange on the page: the question, the version of its answer that is looked at, and what can be done with it. */

/** @import { Locale } from './frames.js' */
/** @import { Turn } from './types.js' */

import { createAnswer } from './answer.js';
import { copyButton } from './clipboard.js';
import { factsOf, noteOf, timeOf } from './facts.js';
import { language, setText, translate } from './texts.js';

/** @typedef {{ locale: Locale, canRegenerate: boolean, last: boolean }} Look */

/**
 * @param {HTMLTemplateElement} template
 * @param {() => void} onRegenerate
 */
export function createItem(template, onRegenerate) {
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  translate(fragment);
  const root = part(fragment, '.turn');
  /** @param {string} name */
  const get = (name) => part(root, `[data-part="${name}"]`);
  const [question, article, typing, text, error, note, time] = ['question', 'article', 'typing', 'text', 'error', 'note', 'time'].map(get);
  const [retry, regenerate, previous, next] = ['retry', 'regenerate', 'previous', 'next'].map(get);
  const answer = createAnswer(text);
  /** @type {Turn[]} */
  let versions = [];
  /** @type {Turn | null} */
  let shown = null;
  /** @type {Look | null} */
  let look = null;
  let drawnIn = '';
  let at = 0;
  /** When the failure on show may be retried, in the time of `Date.now`. */
  let retryAt = 0;
  let timer = 0;

  for (const button of [retry, regenerate]) {
    button.addEventListener('click', () => { if (button.ariaDisabled !== 'true') onRegenerate(); });
  }
  previous.addEventListener('click', () => turnTo(at - 1));
  next.addEventListener('click', () => turnTo(at + 1));
  const copy = copyButton('copyAnswer', () => shown?.text || versions.findLast(({ text }) => text)?.text || '');
  get('actions').prepend(copy);

  /** @param {number} index */
  function turnTo(index) {
    if (!versions[index] || !look) return;
    at = index;
    draw(versions[at], look);
  }

  /** @param {Turn} turn @param {Look} now */
  function draw(turn, now) {
    const live = turn.state !== 'ended';
    if (shown?.id !== turn.id) answer.reset();
    answer.show(turn.text, !live);
    setText(question, turn.question);
    question.hidden = !turn.question;
    article.ariaBusy = String(live);
    typing.hidden = !live || turn.text !== '';
    text.hidden = turn.text === '';
    setText(note, noteOf(turn, language.texts));
    get('actions').hidden = live || !turn.text;
    // After a failure Retry is the same, and says more.
    regenerate.hidden = !now.canRegenerate || turn.end?.type === 'error';
    drawVersions();
    // Formats are dear, and a draw may be one of thousands.
    if (turn.askedAt !== shown?.askedAt || now.locale !== drawnIn) drawTime(turn, now.locale);
    if (turn.end !== shown?.end || now.locale !== drawnIn) drawFacts(turn, now.locale);
    drawError(turn, now);
    drawnIn = now.locale;
    shown = turn;
  }

  function drawVersions() {
    get('versions').hidden = versions.length < 2;
    setText(get('position'), `${at + 1} / ${versions.length}`);
    previous.ariaDisabled = String(at === 0);
    next.ariaDisabled = String(at === versions.length - 1);
  }

  /** @param {Turn} turn @param {Locale} locale */
  function drawTime({ askedAt }, locale) {
    time.hidden = !askedAt;
    if (!askedAt) return;
    time.setAttribute('datetime', askedAt);
    const { short, long } = timeOf(askedAt, locale);
    setText(time, short);
    time.title = long;
  }

  /** @param {Turn} turn @param {Look} now */
  function drawError(turn, { last, canRegenerate }) {
    const failure = turn.end?.type === 'error' ? turn.end : null;
    // Only a failure the reader saw happen is an alert; history would be read out at every reload.
    if (failure && turn.witnessed && shown?.end !== failure) {
      error.role = 'alert';
      retryAt = Date.now() + (failure.retry_after_ms ?? 0);
    }
    error.hidden = !failure;
    setText(get('error-text'), failure ? failure.message || language.texts.unknownError : '');
    retry.hidden = !failure?.retryable || !last || at < versions.length - 1;
    countDown(canRegenerate);
  }

  /** @param {boolean} allowed */
  function countDown(allowed) {
    window.clearTimeout(timer);
    const left = retryAt - Date.now();
    const waiting = left > 0 && !retry.hidden;
    retry.ariaDisabled = String(waiting || !allowed);
    setText(retry, waiting ? language.texts.retryIn(Math.ceil(left / 1000)) : language.texts.retry);
    if (waiting) timer = window.setTimeout(() => countDown(look?.canRegenerate ?? false), left % 1000 || 1000);
  }

  /** @param {Turn} turn @param {Locale} locale */
  function drawFacts(turn, locale) {
    const facts = factsOf(turn, language.texts, locale);
    get('facts').hidden = facts.length === 0;
    get('facts-list').replaceChildren(...facts.map(([name, value]) => {
      const row = document.createElement('div');
      row.append(document.createElement('dt'), document.createElement('dd'));
      row.children[0].textContent = name;
      row.children[1].textContent = value;
      // Long, and asked for by whoever looks into a problem.
      if (name === language.texts.trace) row.children[1].append(' ', copyButton('copyTrace', () => value));
      return row;
    }));
  }

  return {
    root,
    /** As by a click, so that it is seen and said. */
    copy: () => copy.click(),
    /** @param {Turn[]} next @param {Look} now */
    update(next, now) {
      if (next.length !== versions.length) at = next.length - 1;
      versions = next;
      const turn = next[at];
      const same = look && look.locale === now.locale && look.canRegenerate === now.canRegenerate && look.last === now.last;
      look = now;
      if (turn !== shown || !same) draw(turn, now);
    },
  };
}

/**
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
function part(root, selector) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`index.html has no ${selector}`);
  return found;
}
