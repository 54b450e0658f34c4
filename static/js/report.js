/** The report beside the conversation: the picker, the headline, and what it says. */

/** @import { Locale, Report, ReportHead } from './frames.js' */
/** @import { Texts } from './texts.js' */

/**
 * @param {object} parts
 * @param {HTMLSelectElement} parts.picker
 * @param {HTMLElement} parts.headline
 * @param {HTMLTimeElement} parts.date
 * @param {HTMLDetailsElement} parts.summaryFold
 * @param {HTMLElement} parts.summary
 * @param {HTMLDetailsElement} parts.figuresFold
 * @param {HTMLElement} parts.figures
 * @param {(id: string) => void} onPick
 */
export function createReportPanel(parts, onPick) {
  const { picker, headline, date, summaryFold, summary, figuresFold, figures } = parts;
  /** @type {Report[] | null} null until they are loaded */
  let reports = null;
  /** @type {string | null} */
  let chosen = null;
  /** @type {{ report: Report | ReportHead | null, chosen: string | null, locale: Locale } | null} */
  let shown = null;

  picker.addEventListener('change', () => onPick(picker.value));

  /** @param {Partial<Report>} report */
  function show(report) {
    for (const element of [headline, summary, figures]) element.lang = report.locale ?? '';
    date.dateTime = report.created_at ?? '';
    summary.textContent = report.summary ?? '';
    summaryFold.hidden = !report.summary;
    figures.replaceChildren(...figureNodes(report.figures ?? ''));
    figuresFold.hidden = !report.figures;
    // Beside the conversation there is room to read; above it, on a phone, open folds would push it off the screen.
    summaryFold.open = figuresFold.open = matchMedia('(min-width: 60rem)').matches;
  }

  /** @param {Locale} locale */
  function showDate(locale) {
    const day = new Date(date.dateTime);
    date.textContent = Number.isNaN(day.getTime()) ? '' : new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(day);
  }

  return {
    /** @param {Report[]} next */
    setReports(next) {
      reports = next;
      picker.replaceChildren(...next.map((report) => {
        const option = new Option(report.headline, report.id);
        option.lang = report.locale;
        return option;
      }));
      shown = null;
    },
    /** @param {string | null} id */
    choose(id) { chosen = id; },
    /**
     * @param {ReportHead | null} head what the session says, for a report that is not in the list
     * @param {Texts} texts
     * @param {Locale} locale
     */
    update(head, texts, locale) {
      const report = reports?.find(({ id }) => id === chosen) ?? head;
      if (shown && report === shown.report && chosen === shown.chosen && locale === shown.locale) return;
      if (report !== shown?.report) show(report ?? {});
      shown = { report, chosen, locale };
      headline.textContent = report?.headline ?? (reports ? texts.title : '');
      showDate(locale);
      picker.value = chosen ?? '';
      picker.disabled = !reports?.length;
      if (reports?.length === 0) picker.replaceChildren(new Option(report?.headline ?? texts.noReports));
    },
  };
}

/**
 * Paragraphs and pipe tables: all the Markdown that figures are written in.
 * @param {string} text
 * @returns {HTMLElement[]}
 */
function figureNodes(text) {
  const lines = text.split('\n').map((line) => line.trim());
  /** @type {HTMLElement[]} */
  const nodes = [];
  for (let at = 0; at < lines.length; at += 1) {
    if (!lines[at]) continue;
    const start = at;
    while (lines[at + 1]?.startsWith('|') === lines[at].startsWith('|') && lines[at + 1]) at += 1;
    const block = lines.slice(start, at + 1);
    nodes.push(lines[start].startsWith('|') ? tableOf(block) : paragraphOf(block));
  }
  return nodes;
}

/** @param {string[]} lines */
function paragraphOf(lines) {
  const paragraph = document.createElement('p');
  paragraph.textContent = lines.map((line) => line.replace(/^#+\s*/, '').replaceAll('**', '')).join('\n');
  return paragraph;
}

/** @param {string[]} lines */
function tableOf(lines) {
  const table = document.createElement('table');
  const rows = lines
    .map((line) => line.replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim().replaceAll('**', '')))
    .filter((cells) => !cells.every((cell) => /^:?-+:?$/.test(cell)));
  for (const [index, cells] of rows.entries()) {
    const row = table.insertRow();
    for (const [column, text] of cells.entries()) {
      const cell = document.createElement(index === 0 || column === 0 ? 'th' : 'td');
      if (cell.tagName === 'TH') cell.setAttribute('scope', index === 0 ? 'col' : 'row');
      cell.textContent = text;
      row.append(cell);
    }
  }
  // A wide table scrolls inside its own box, reachable by keyboard.
  const box = document.createElement('div');
  box.className = 'table-box';
  box.tabIndex = 0;
  box.append(table);
  return box;
}
