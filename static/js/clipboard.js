/** Copying text, also on plain-http pages, where browsers hide `navigator.clipboard`. */

import { announce, label, language } from './texts.js';

const SHOWN_FOR = 2000;
const TESTIDS = { copyCode: 'copy-code', copyAnswer: 'copy', copyTrace: 'copy-trace' };

/** @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused, as in a frame without the permission: the old way may still be open.
    }
  }
  const before = document.activeElement;
  const box = document.createElement('textarea');
  box.value = text;
  box.readOnly = true;
  box.className = 'unseen';
  document.body.append(box);
  box.select();
  const copied = document.execCommand('copy');
  box.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return copied;
}

/**
 * @param {keyof typeof TESTIDS} name
 * @param {() => string} text
 */
export function copyButton(name, text) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet';
  button.dataset.testid = TESTIDS[name];
  label(button, name);
  let timer = 0;
  button.addEventListener('click', async () => {
    const result = await copy(text()) ? 'copied' : 'copyFailed';
    label(button, result);
    announce(language.texts[result]);
    window.clearTimeout(timer);
    timer = window.setTimeout(() => label(button, name), SHOWN_FOR);
  });
  return button;
}
