/** Markdown as DOM nodes: marked reads it, this file alone decides which elements may come of it. No markup is ever parsed. */

/** @import { Token, Tokens } from '../vendor/marked@18.2.1/marked.esm.js' */

import { Marked, Tokenizer } from '../vendor/marked@18.2.1/marked.esm.js';

const NUMBER = /^[*\s]*[-+−▲▼$₩€]?\s*\d[^가-힣]{0,12}$/u;
const SAFE = /^(https?|mailto):/i;
const CJK = '[\\p{Script=Hangul}\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}]';
/** @type {Record<string, string[]>} what a mark makes of its text, from the inside out */
const MARKS = { '*': ['em'], '**': ['strong'], '***': ['strong', 'em'], '~~': ['del'] };
const MARKED = /^(([*~])\2{0,2})(?!\s|\2)((?:(?!\1)[^\n])+)(?<!\s)\1(?!\2)/;
const STARTS_MARKED_OFF = /^[\p{P}\p{S}]/u;
const ENDS_MARKED_OFF = /[\p{P}\p{S}]$/u;
const BEFORE_CJK = new RegExp(`^${CJK}`, 'u');
const AFTER_CJK = new RegExp(`${CJK}$`, 'u');
const BARE_URL = /^(?:https?:\/\/|www\.)[^\s<]*/i;
const HANGUL = '\\p{Script=Hangul}';
const URL_END = new RegExp([
  // A part of the address that has begun in ASCII, before a particle.
  `[/.?#&=][^\\s/.?#&=\\u0080-\\uffff]*[A-Za-z\\d](?=${HANGUL})`,
  // A bracket that opened in the address, and what closes something around it.
  `\\([^()]*\\)(?=${HANGUL})`,
  `(?=[)\\]"'”’」』》]${HANGUL})`,
  '/(?=(?:에서|으로|입니다|[는를와])[.,]?$)',
].join('|'), 'u');

const marked = new Marked({
  tokenizer: {
    // `3~5일에서 7~10일` are two ranges; only a double tilde strikes out.
    del: (source) => (source.startsWith('~~') ? false : undefined),
    // Particles follow without a space: `https://example.com/report에서`, `(www.example.com)를`; but `/wiki/한국어` is a path.
    url(source) {
      const [url] = BARE_URL.exec(source) ?? [];
      if (!url) return false;
      const end = URL_END.exec(url);
      return Tokenizer.prototype.url.call(this, end ? url.slice(0, end.index + end[0].length) : url);
    },
    // A definition that streams in after the text that refers to it would change what is on the page already.
    def: () => undefined,
  },
  extensions: [{
    // CommonMark lets no mark end between a bracket and a letter, but Korean particles follow there too:
    // `**GDP(국내총생산)**은`, and the same at the start: `은**(잠정)**`.
    name: 'markBesideCjk',
    level: 'inline',
    tokenizer(source, tokens) {
      const [raw, mark, , text] = MARKED.exec(source) ?? [];
      if (!raw || !MARKS[mark]) return undefined;
      const before = tokens?.at(-1)?.raw ?? '';
      const closed = ENDS_MARKED_OFF.test(text);
      const ends = closed && BEFORE_CJK.test(source.slice(raw.length));
      const starts = STARTS_MARKED_OFF.test(text) && AFTER_CJK.test(before);
      // One star alone may also multiply, or point to a footnote.
      if (!(ends || starts) || (mark === '*' && (!closed || /\w$/.test(before)))) return undefined;
      return MARKS[mark].reduce((inner, type) => [{ type, raw, text, tokens: inner }], this.lexer.inlineTokens(text))[0];
    },
  }],
});

/**
 * The blocks of a document, in order; their `raw` put together is the document.
 * @param {string} source
 * @returns {Token[]}
 */
export function lex(source) {
  return marked.lexer(source);
}

/** @param {string} source */
export function renderMarkdown(source) {
  return lex(source).flatMap((token) => renderBlock(token));
}

/**
 * @param {Token} token
 * @param {(text: string, language: string) => HTMLElement} [code] draws a block of code
 * @returns {Node[]}
 */
export function renderBlock(token, code = plainCode) {
  /** @param {Token[]} tokens */
  const blocks = (tokens) => tokens.flatMap((inner) => renderBlock(inner, code));

  switch (token.type) {
    case 'space':
    case 'def':
      return [];
    case 'heading':
      return [heading(/** @type {Tokens.Heading} */ (token))];
    case 'paragraph':
      return [element('p', inline(token.tokens ?? []))];
    case 'text':
      return token.tokens ? inline(token.tokens) : [text(token)];
    case 'code':
      return [code(token.text, (token.lang ?? '').trim().split(/\s/)[0])];
    case 'blockquote':
      return [element('blockquote', blocks(token.tokens ?? []))];
    case 'list':
      return [list(/** @type {Tokens.List} */ (token), blocks)];
    case 'table':
      return [table(/** @type {Tokens.Table} */ (token))];
    case 'hr':
      return [document.createElement('hr')];
    case 'html':
      return [element('p', [document.createTextNode(token.raw.trimEnd())])];
    default:
      return inline([token]);
  }
}

/**
 * @param {Token[]} tokens
 * @returns {Node[]}
 */
function inline(tokens) {
  return tokens.flatMap((token) => {
    switch (token.type) {
      case 'strong':
      case 'em':
      case 'del':
        return [element(token.type, inline(token.tokens ?? []))];
      case 'codespan':
        return [element('code', [document.createTextNode(token.text)])];
      case 'br':
        return [document.createElement('br')];
      case 'link':
        return link(token.href, inline(token.tokens ?? []));
      case 'image':
        // Loading an image would tell its server what the answer holds.
        return link(token.href, [document.createTextNode(token.text || token.href)]);
      case 'html':
        // The one tag that says nothing but "new line", and the only way to one in a table.
        return [/^<br\s*\/?>$/i.test(token.raw) ? document.createElement('br') : document.createTextNode(token.raw)];
      case 'checkbox':
        return [document.createTextNode(token.checked ? '☑ ' : '☐ ')];
      default:
        return 'tokens' in token && token.tokens ? inline(token.tokens) : [text(token)];
    }
  });
}

/**
 * @param {string} href
 * @param {Node[]} children
 * @returns {Node[]}
 */
function link(href, children) {
  const target = unescape(href).trim();
  if (!SAFE.test(target) || !URL.canParse(target)) return children;
  const anchor = /** @type {HTMLAnchorElement} */ (element('a', children));
  anchor.href = target;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer nofollow';
  return [anchor];
}

/**
 * Always the level below the page's own: an answer that begins with `##` or leaves one out would leave a hole in the outline.
 * @param {Tokens.Heading} token
 */
function heading({ depth, tokens }) {
  const made = element('h3', inline(tokens));
  made.dataset.depth = String(depth);
  return made;
}

/**
 * @param {Tokens.List} token
 * @param {(tokens: Token[]) => Node[]} blocks
 */
function list(token, blocks) {
  const items = token.items.map((item) => {
    const made = element('li', blocks(item.tokens));
    made.classList.toggle('task', item.task);
    return made;
  });
  const made = element(token.ordered ? 'ol' : 'ul', items);
  if (typeof token.start === 'number' && token.start !== 1) made.setAttribute('start', String(token.start));
  return made;
}

/** @param {Tokens.Table} token */
function table(token) {
  // Numbers line up on the right, whether or not the author thought of it.
  const numeric = token.header.map((_, column) => token.rows.every((cells) => NUMBER.test(cells[column]?.text ?? '')));
  /** @param {Tokens.TableCell[]} cells @param {string} name */
  const row = (cells, name) => element('tr', cells.map(({ tokens, align }, column) => {
    const made = element(name, inline(tokens));
    // An attribute, not a style: the policy of the page allows no inline styles.
    made.dataset.align = align ?? (numeric[column] ? 'right' : 'left');
    return made;
  }));
  const head = element('thead', [row(token.header, 'th')]);
  for (const cell of head.querySelectorAll('th')) cell.scope = 'col';
  const made = element('table', [head, element('tbody', token.rows.map((cells) => row(cells, 'td')))]);
  return scrollBox('table-box', made);
}

/** @param {string} source */
function plainCode(source) {
  return scrollBox('code-box', element('pre', [element('code', [document.createTextNode(source)])]));
}

/**
 * What is too wide scrolls inside its own box, which the keyboard can reach.
 * @param {string} name
 * @param {HTMLElement} content
 */
function scrollBox(name, content) {
  const box = element('div', [content]);
  box.className = name;
  box.tabIndex = 0;
  return box;
}

/**
 * @param {string} name
 * @param {Node[]} children
 */
function element(name, children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** @param {Token} token */
function text(token) {
  const source = 'text' in token ? String(token.text) : token.raw;
  return document.createTextNode('escaped' in token && token.escaped ? source : unescape(source));
}

const ENTITIES = new Map(Object.entries({
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', middot: '·', hellip: '…', ndash: '–', mdash: '—', bull: '•',
  laquo: '«', raquo: '»', larr: '←', uarr: '↑', rarr: '→', darr: '↓', times: '×', plusmn: '±', deg: '°', le: '≤', ge: '≥', ne: '≠',
  copy: '©', reg: '®', trade: '™', euro: '€',
}));

/** @param {string} source */
function unescape(source) {
  return source.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name) return ENTITIES.get(name) ?? whole;
    const point = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
