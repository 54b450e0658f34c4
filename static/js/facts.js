/** What there is to say about a turn: how it ended, when it was asked, what it took. Pure functions. */

/** @import { Locale } from './frames.js' */
/** @import { Turn } from './types.js' */
/** @import { Texts } from './texts.js' */

import { money } from './texts.js';

/** @param {Turn} turn @param {Texts} texts */
export function noteOf(turn, texts) {
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
  return end.shortened || turn.shortened ? texts.shortened : '';
}

/**
 * @param {string} iso
 * @param {Locale} locale
 */
export function timeOf(iso, locale, now = new Date()) {
  const moment = new Date(iso);
  const today = moment.toDateString() === now.toDateString();
  const short = new Intl.DateTimeFormat(locale, { timeStyle: 'short', ...(today ? {} : { dateStyle: 'short' }) });
  const long = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' });
  return { short: short.format(moment), long: long.format(moment) };
}

/**
 * @param {Turn} turn
 * @param {Texts} texts
 * @param {Locale} locale
 * @returns {[string, string][]}
 */
export function factsOf({ end }, texts, locale) {
  if (!end) return [];
  const number = new Intl.NumberFormat(locale);
  const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  /** @param {number} ms */
  const seconds = (ms) => texts.seconds(tenth.format(ms / 1000));
  /** @type {[string, string][]} */
  const facts = [];
  if (end.usage) {
    facts.push([texts.tokens, `${number.format(end.usage.input_tokens)} → ${number.format(end.usage.output_tokens)}`]);
  }
  if (end.cost_usd) {
    const cost = money(end.cost_usd);
    facts.push([texts.cost, end.cost_source === 'estimated' ? `${cost} (${texts.estimated})` : cost]);
  }
  if (end.type === 'done') {
    if (end.ttft_ms != null) facts.push([texts.firstText, seconds(end.ttft_ms)]);
    if (end.total_ms != null) facts.push([texts.total, seconds(end.total_ms)]);
    if (end.model) facts.push([texts.model, end.model]);
  }
  if (end.trace_id) facts.push([texts.trace, end.trace_id]);
  return facts;
}
