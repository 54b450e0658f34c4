/** Server-Sent Events out of text cut anywhere. `EventSource` would do, could it send a question or a token. */

/**
 * A parser of one stream: takes the next piece of text and returns the `data` of the events complete by now.
 * The other fields say nothing that is not in the frame itself.
 */
export function createEventParser() {
  let rest = '';
  /** @type {string[]} */
  let data = [];

  /** @param {string} piece */
  return function take(piece) {
    rest += piece;
    // A CR at the very end may be the first half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    /** @type {string[]} */
    const events = [];
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
      else if (line === 'data') data.push('');
      if (line !== '' || data.length === 0) continue;
      events.push(data.join('\n'));
      data = [];
    }
    return events;
  };
}
