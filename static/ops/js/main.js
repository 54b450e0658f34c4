/** Asks the ops listener every few seconds, and shows what it says; the address names the turn that is looked at. */

/** @import { Figures, Timeline } from './types.js' */

import { byId, drawFigures, sample } from './figures.js';
import { language, setLanguage, setText } from './texts.js';
import { drawTrace } from './trace.js';
import { drawTurns } from './turns.js';

const EVERY = 3000;
const WITHIN = 5000;
const TURNS = 100;

/** @type {{ figures: Figures, turns: Timeline[] } | null} */
let shown = null;
/** @type {Timeline[] | null} */
let trace = null;
/** @type {Figures['status'] | 'connecting' | 'lost'} */
let state = 'connecting';
let paused = false;

/** @param {string} path */
async function ask(path) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(WITHIN) });
  if (!response.ok && response.status !== 404) throw new Error(`${path}: ${response.status}`);
  return response.ok ? response.json() : null;
}

async function look() {
  try {
    const [figures, turns] = await Promise.all([ask('figures'), ask(`traces?limit=${TURNS}`)]);
    shown = { figures, turns };
    sample(figures);
    state = figures.status;
  } catch {
    // What was seen last stays, under the word that nobody answers.
    state = 'lost';
  }
  draw();
}

async function lookAgain() {
  if (!paused && !document.hidden) await look();
  setTimeout(lookAgain, EVERY);
}

async function findTrace() {
  const wanted = chosen();
  try {
    trace = wanted ? await ask(`traces/${encodeURIComponent(wanted)}`) ?? [] : null;
  } catch {
    state = 'lost';
  }
  if (wanted !== chosen()) return;
  drawTrace(trace);
  draw();
}

function chosen() {
  return location.hash.slice(1);
}

function draw() {
  const { texts } = language;
  const now = paused ? 'paused' : state;
  byId('status').dataset.state = now;
  setText(byId('status'), texts[now]);
  if (!shown) return;
  drawFigures(shown.figures, shown.turns);
  drawTurns(shown.turns, chosen());
}

/** @param {string} locale */
function speak(locale) {
  setLanguage(locale);
  setText(byId('pause'), paused ? language.texts.resume : language.texts.pause);
  drawTrace(trace);
  draw();
}

byId('pause').addEventListener('click', () => {
  paused = !paused;
  speak(language.locale);
  if (!paused) look();
});
byId('locale').addEventListener('click', () => {
  const next = language.locale === 'ko' ? 'en' : 'ko';
  try {
    localStorage.setItem('chatgw.locale', next);
  } catch {
    // Browsers that block site data: the page works without a memory.
  }
  speak(next);
});
byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const box = /** @type {HTMLInputElement} */ (byId('trace-id'));
  location.hash = box.value.trim();
});
window.addEventListener('hashchange', async () => {
  await findTrace();
  byId('trace-title').focus();
});
new ResizeObserver(draw).observe(byId('first-chunk-chart'));

function remembered() {
  try {
    return localStorage.getItem('chatgw.locale');
  } catch {
    return null;
  }
}

speak(remembered() ?? (navigator.language.startsWith('ko') ? 'ko' : 'en'));
findTrace();
lookAgain();
