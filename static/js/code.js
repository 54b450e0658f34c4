/** A block of code: its language, a button that copies it, and colours once it is complete. */

import { copyButton } from './clipboard.js';

/**
 * @param {string} source
 * @param {string} language
 */
export function codeBlock(source, language) {
  const text = document.createTextNode(source);
  const root = document.createElement('figure');
  root.className = 'code';
  const caption = root.appendChild(document.createElement('figcaption'));
  const label = caption.appendChild(document.createElement('span'));
  label.textContent = language;
  label.translate = false;
  caption.append(copyButton('copyCode', () => text.data));
  const box = root.appendChild(document.createElement('pre'));
  box.tabIndex = 0;
  const code = box.appendChild(document.createElement('code'));
  code.append(text);

  return {
    root,
    /** @param {string} more */
    append(more) {
      if (more) text.appendData(more);
    },
    /** Colours only now: a half of a string or a comment would be coloured wrongly, and again with every word. */
    async close() {
      if (!language) return;
      // Most answers hold no code, so most readers never load this.
      const { highlight } = await import('./highlight.js');
      const coloured = await highlight(text.data, language).catch(() => null);
      if (coloured) code.replaceChildren(coloured);
    },
  };
}
