/** An answer that grows: finished blocks are drawn once and left alone, only the last one is drawn again. */

/** @import { Token } from '../vendor/marked@18.2.1/marked.esm.js' */

import { codeBlock } from './code.js';
import { lex, renderBlock } from './markdown.js';

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\s]*)[^`\n]*\n/;
// Half a line that could still become something else: a rule, a heading, a list or a row of a table.
const UNDECIDED = /^(?:\s*(?:[-+*=#>`~]+|\d+[.)]?)\s*|\s*\|.*)$/;

/** @param {HTMLElement} root */
export function createAnswer(root) {
  let source = '';
  let closed = false;
  /** Where the part that may still change begins in `source`. */
  let open = 0;
  /** @type {Node[]} what is drawn of that part */
  let tail = [];
  /** @type {{ block: ReturnType<typeof codeBlock>, shown: number } | null} code whose fence has not closed yet */
  let code = null;

  function clear() {
    source = '';
    closed = false;
    open = 0;
    tail = [];
    code = null;
    root.replaceChildren();
  }

  /**
   * What has not changed stays the same node, with the reader's selection in it; code has colours its source does not show.
   * @param {Node[]} nodes
   */
  function replaceTail(nodes) {
    let same = 0;
    while (same < tail.length && !holdsCode(nodes[same]) && tail[same].isEqualNode(nodes[same] ?? null)) same += 1;
    for (const node of tail.slice(same)) /** @type {ChildNode} */ (node).remove();
    root.append(...nodes.slice(same));
    tail = [...tail.slice(0, same), ...nodes.slice(same)];
  }

  /**
   * All blocks but the last are final once their lines are complete, since nothing that follows can change them.
   * Blank lines are no block: after them a list may still go on.
   */
  function takeFinal() {
    const tokens = lex(source.slice(open, source.lastIndexOf('\n') + 1));
    const last = tokens.findLastIndex((token) => token.type !== 'space');
    const final = tokens.slice(0, last >= 0 && endsByItself(tokens[last]) ? last + 1 : Math.max(last, 0));
    open += final.reduce((sum, token) => sum + token.raw.length, 0);
    return final.flatMap((token) => renderBlock(token, closedCode));
  }

  /** An open fence only ever grows: no parsing, one text node, and no flicker in a long piece of code. */
  function growCode() {
    const fence = FENCE.exec(source.slice(open));
    if (!fence) return false;
    const body = open + fence[0].length;
    if (closes(fence[1], source.slice(body))) {
      code = null;
      return false;
    }
    if (!code) {
      code = { block: codeBlock('', fence[2]), shown: body };
      replaceTail([code.block.root]);
    }
    // A line's end is held back, like a line that may turn out to close the fence.
    const end = Math.max(code.shown, body, source.search(/\n?[ `~]*$/));
    code.block.append(source.slice(code.shown, end));
    code.shown = end;
    return true;
  }

  return {
    reset: clear,
    /**
     * @param {string} text the whole answer so far
     * @param {boolean} ended
     */
    show(text, ended) {
      const next = text.replaceAll('\r', '');
      if (next === source && ended === closed) return;
      if (!next.startsWith(source)) clear();
      source = next;
      closed = ended;
      if (ended) {
        code = null;
        return replaceTail(lex(source.slice(open)).flatMap((token) => renderBlock(token, closedCode)));
      }
      if (growCode()) return undefined;
      const final = takeFinal();
      const changing = FENCE.test(source.slice(open)) ? [] : lex(presentable(source.slice(open))).flatMap((token) => renderBlock(token, openCode));
      replaceTail([...final, ...changing]);
      tail = tail.slice(final.length);
      growCode();
      return undefined;
    },
  };
}

/** @param {string} text @param {string} language */
function closedCode(text, language) {
  const block = codeBlock(text, language);
  block.close();
  return block.root;
}

/** @param {string} text @param {string} language */
function openCode(text, language) {
  return codeBlock(text, language).root;
}

/** @param {Node | undefined} node */
function holdsCode(node) {
  return node instanceof Element && (node.matches('figure') || node.querySelector('figure') !== null);
}

/** @param {Token} token */
function endsByItself({ type, raw }) {
  if (type === 'heading' || type === 'hr') return true;
  const fence = type === 'code' ? FENCE.exec(raw) : null;
  return fence !== null && closes(fence[1], `${raw.slice(fence[0].length)}\n`);
}

/**
 * Only a fence of the same kind, and at least as long, closes one: code may hold other fences.
 * @param {string} fence
 * @param {string} body the lines that follow it
 */
function closes(fence, body) {
  return new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}[ \\t]*\\n`, 'm').test(body);
}

/**
 * The tail without the marks whose meaning is not clear yet, so that they do not flash up as text.
 * @param {string} tail
 */
function presentable(tail) {
  const lines = tail.split('\n');
  if (UNDECIDED.test(lines[lines.length - 1])) lines.pop();
  const last = lines.findLastIndex((line) => line.trim() !== '');
  const lonelyRow = lines[last]?.trimStart().startsWith('|') && !lines[last - 1]?.trimStart().startsWith('|');
  if (lonelyRow) lines.splice(last);
  return closeMarks(lines.join('\n'));
}

/**
 * Bold and code that have begun are shown as such before they end.
 * @param {string} tail
 */
function closeMarks(tail) {
  const line = tail.slice(tail.lastIndexOf('\n') + 1);
  const ticks = line.split('`').length - 1;
  if (ticks % 2 === 1) return line.endsWith('`') ? tail.slice(0, -1) : `${tail}\``;
  const stars = line.replace(/`[^`]*`/g, '').split('**').length - 1;
  if (stars % 2 === 0) return tail;
  const bare = tail.replace(/\*+$/, '').trimEnd();
  return stars === 1 && line.trimEnd().endsWith('**') ? bare : `${bare}**`;
}
