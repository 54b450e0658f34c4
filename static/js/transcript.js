/** The turns on the page: one item a turn, one text node that grows, and a viewport that follows it. */

/** @import { Locale } from './frames.js' */
/** @import { Turn } from './conversation.js' */
/** @import { Texts } from './texts.js' */

const NEAR = 64;

/** @typedef {ReturnType<typeof createItem>} Item */
/** @typedef {{ texts: Texts, locale: Locale, retryable: boolean }} Look */

/**
 * @param {object} options
 * @param {HTMLOListElement} options.list
 * @param {HTMLTemplateElement} options.template
 * @param {(id: string) => void} options.onRetry
 */
export function createTranscript({ list, template, onRetry }) {
  /** @type {Map<string, Item>} */
  const items = new Map();

  return {
    /**
     * @param {Turn[]} turns
     * @param {Texts} texts
     * @param {Locale} locale
     */
    update(turns, texts, locale) {
      const ids = new Set(turns.map((turn) => turn.id));
      for (const [id, item] of items) {
        if (ids.has(id)) continue;
        item.root.remove();
        items.delete(id);
      }
      for (const [index, turn] of turns.entries()) {
        const item = items.get(turn.id) ?? createItem(template, () => onRetry(turn.id));
        items.set(turn.id, item);
        // Moved only when out of place: re-inserting an item drops the reader's selection in it.
        if (list.children[index] !== item.root) list.insertBefore(item.root, list.children[index] ?? null);
        item.update(turn, { texts, locale, retryable: index === turns.length - 1 });
      }
    },
  };
}

/**
 * @param {HTMLTemplateElement} template
 * @param {() => void} onRetry
 */
function createItem(template, onRetry) {
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const root = part(fragment, '.turn');
  /** @param {string} name */
  const get = (name) => part(root, `[data-part="${name}"]`);
  const [question, article, typing, answer, error, note] = ['question', 'article', 'typing', 'text', 'error', 'note'].map(get);
  const text = answer.appendChild(document.createTextNode(''));
  const retry = get('retry');
  retry.addEventListener('click', onRetry);
  /** @type {Turn | null} */
  let shown = null;
  let shownKey = '';

  /** @param {string} next */
  function grow(next) {
    if (next.startsWith(text.data)) text.appendData(next.slice(text.length));
    else text.data = next;
  }

  return {
    root,
    /** @param {Turn} turn @param {Look} look */
    update(turn, look) {
      const key = `${look.locale} ${look.retryable}`;
      if (turn === shown && key === shownKey) return;
      const live = turn.state !== 'ended';
      if (key !== shownKey) label(look.texts);
      if (turn.text !== text.data) grow(turn.text);
      if (turn.question !== question.textContent) question.textContent = turn.question;
      question.hidden = !turn.question;
      article.ariaBusy = String(live);
      typing.hidden = !live || turn.text !== '';
      answer.hidden = turn.text === '';
      note.textContent = noteOf(turn, look.texts);
      if (!live) {
        showError(turn, look);
        showFacts(turn, look);
      }
      shown = turn;
      shownKey = key;
    },
  };

  /** @param {Texts} texts */
  function label(texts) {
    get('you').textContent = texts.you;
    article.ariaLabel = texts.assistant;
    get('typing-label').textContent = texts.typing;
    retry.textContent = texts.retry;
    get('facts-label').textContent = texts.details;
  }

  /** @param {Turn} turn @param {Look} look */
  function showError(turn, { texts, retryable }) {
    const failure = turn.end?.type === 'error' ? turn.end : null;
    // Only a failure the reader saw happen is an alert; history would be read out at every reload.
    if (failure && shown && shown.state !== 'ended') error.role = 'alert';
    error.hidden = !failure;
    get('error-text').textContent = failure ? failure.message || texts.unknownError : '';
    retry.hidden = !failure?.retryable || !retryable;
  }

  /** @param {Turn} turn @param {Look} look */
  function showFacts(turn, { texts, locale }) {
    const facts = factsOf(turn, texts, locale);
    get('facts').hidden = facts.length === 0;
    get('facts-list').replaceChildren(...facts.map(([name, value]) => {
      const row = document.createElement('div');
      row.append(document.createElement('dt'), document.createElement('dd'));
      row.children[0].textContent = name;
      row.children[1].textContent = value;
      return row;
    }));
  }
}

/** @param {Turn} turn @param {Texts} texts */
function noteOf(turn, texts) {
  const { end } = turn;
  if (turn.state !== 'ended') {
    if (turn.stopping) return texts.stopping;
    return turn.status ? texts[turn.status] : turn.text && texts.streaming;
  }
  if (!end) return texts.interrupted;
  if (end.type === 'error') return '';
  if (end.finish_reason === 'cancelled') return texts.stopped;
  if (end.finish_reason === 'length') return texts.length;
  if (end.finish_reason === 'content_filter') return texts.contentFilter;
  if (!turn.text) return texts.emptyAnswer;
  return end.shortened ? texts.shortened : '';
}

/**
 * @param {Turn} turn
 * @param {Texts} texts
 * @param {Locale} locale
 * @returns {[string, string][]}
 */
function factsOf({ end }, texts, locale) {
  if (!end) return [];
  const number = new Intl.NumberFormat(locale);
  const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const money = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  /** @param {number} ms */
  const seconds = (ms) => texts.seconds(tenth.format(ms / 1000));
  /** @type {[string, string][]} */
  const facts = [];
  if (end.usage) {
    facts.push([texts.tokens, `${number.format(end.usage.input_tokens)} → ${number.format(end.usage.output_tokens)}`]);
  }
  if (end.cost_usd) {
    const cost = `$${money.format(Number(end.cost_usd))}`;
    facts.push([texts.cost, end.cost_source === 'estimated' ? `${cost} (${texts.estimated})` : cost]);
  }
  if (end.type === 'error') return facts;
  if (end.ttft_ms != null) facts.push([texts.firstText, seconds(end.ttft_ms)]);
  if (end.total_ms != null) facts.push([texts.total, seconds(end.total_ms)]);
  if (end.model) facts.push([texts.model, end.model]);
  return facts;
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

/**
 * Keeps the end in sight until the reader scrolls away, and again once they come back to it.
 * @param {HTMLElement} viewport
 * @param {HTMLElement} list an empty one is not followed, or a small screen would open below its own greeting
 * @param {HTMLElement} jump
 */
export function followEnd(viewport, list, jump) {
  let stuck = true;
  let last = { top: 0, content: 0, window: 0 };

  const distance = () => viewport.scrollHeight - viewport.scrollTop - viewport.clientHeight;

  function refresh() {
    if (stuck && list.childElementCount > 0) viewport.scrollTop = viewport.scrollHeight;
    jump.hidden = stuck || distance() <= NEAR;
    last = { top: viewport.scrollTop, content: viewport.scrollHeight, window: viewport.clientHeight };
  }

  function release() {
    if (viewport.scrollHeight > viewport.clientHeight) stuck = false;
  }

  function stick() {
    stuck = true;
    refresh();
  }

  viewport.addEventListener('wheel', (event) => { if (event.deltaY < 0) release(); }, { passive: true });
  viewport.addEventListener('keydown', ({ key }) => { if (['PageUp', 'Home', 'ArrowUp'].includes(key)) release(); });
  viewport.addEventListener('scroll', () => {
    const { scrollTop, scrollHeight, clientHeight } = viewport;
    const resized = scrollHeight !== last.content || clientHeight !== last.window;
    // A growing composer also moves scrollTop; only a move without a change of size is the reader's.
    if (scrollTop < last.top && !resized) stuck = false;
    if (scrollTop > last.top && distance() <= NEAR) stuck = true;
    refresh();
  }, { passive: true });

  const sizes = new ResizeObserver(refresh);
  sizes.observe(viewport);
  for (const child of viewport.children) sizes.observe(child);
  return { stick };
}
