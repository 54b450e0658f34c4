/** The conversation as a file: Markdown to read, JSON to work with; every version, with times and usage. */

/** @import { Conversation, Turn } from './types.js' */

import { exchanges } from './conversation.js';
import { factsOf, noteOf } from './facts.js';
import { loadEarlier } from './history.js';
import { announce, language } from './texts.js';

/**
 * @param {Conversation} conversation
 * @param {'md' | 'json'} form
 * @param {URL | string} url of the WebSocket
 */
export async function exportConversation(conversation, form, url) {
  const all = await whole(conversation, url);
  const now = new Date().toISOString();
  const text = form === 'md' ? toMarkdown(all, now) : toJson(all, now);
  const type = form === 'md' ? 'text/markdown' : 'application/json';
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = `chat-${now.slice(0, 19).replaceAll(':', '')}.${form}`;
  link.click();
  URL.revokeObjectURL(link.href);
  announce(language.texts.exported);
}

/**
 * With what was said before the page begins.
 * @param {Conversation} conversation
 * @param {URL | string} url
 */
async function whole(conversation, url) {
  let all = conversation;
  try {
    for (let held = -1; (all.turns[0]?.n ?? 0) > 1 && all.turns.length > held;) {
      held = all.turns.length;
      await loadEarlier(url, language.locale, () => all, (next) => { all = next; });
    }
  } catch {
    // Without the calls over HTTP the file has what the page has.
  }
  return all;
}

/** @param {Conversation} conversation @param {string} now */
function toMarkdown({ session, turns }, now) {
  const { texts, locale } = language;
  /** @param {Turn} turn @param {number} index @param {Turn[]} versions */
  const answer = (turn, index, versions) => {
    const count = versions.length > 1 ? ` (${index + 1}/${versions.length})` : '';
    const failure = turn.end?.type === 'error' ? turn.end.message : noteOf(turn, texts);
    const facts = factsOf(turn, texts, locale).map(([name, value]) => `${name}: ${value}`).join(' · ');
    return [`### ${texts.assistant}${count}`, turn.text, failure && `_${failure}_`, facts && `<small>${facts}</small>`];
  };
  const parts = exchanges(turns).flatMap(({ versions }) => [
    `## ${texts.you}`,
    versions[0].question,
    versions[0].askedAt && `${texts.askedAt}: ${versions[0].askedAt}`,
    ...versions.flatMap(answer),
  ]);
  const head = [`# ${session?.report?.headline ?? texts.title}`, `${texts.exportedAt}: ${now}`];
  return `${[...head, ...parts].filter(Boolean).join('\n\n')}\n`;
}

/** @param {Conversation} conversation @param {string} now */
function toJson({ session, turns }, now) {
  const messages = turns.map(({ id, turnId, regenerateOf, askedAt, question, text, end }) => ({
    id, turn_id: turnId, regenerate_of: regenerateOf, asked_at: askedAt, question, answer: text, end,
  }));
  const { report = null, model = null, budget = null } = session ?? {};
  return `${JSON.stringify({ exported_at: now, report, model, budget, turns: messages }, null, 2)}\n`;
}
