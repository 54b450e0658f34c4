/** Every string of the operator's page, Korean and English, and how it writes times and money. */

const ko = {
  title: '게이트웨이 현황',
  now: '지금',
  pause: '일시정지',
  resume: '계속',
  otherLocale: 'English',
  ok: '정상',
  degraded: 'Redis 없이 동작 중',
  storage_unavailable: '데이터베이스 응답 없음',
  draining: '종료 준비 중',
  lost: '응답 없음',
  paused: '일시정지됨',
  connecting: '연결 중',
  turnsRunning: '진행 중인 답변',
  connections: '연결',
  firstChunk: '첫 글자까지 (중앙값)',
  spentToday: '오늘의 비용 (UTC)',
  reservedOf: (/** @type {string} */ reserved, /** @type {string} */ cap) => `예약 ${reserved} · 한도 ${cap}`,
  spentUnknown: '데이터베이스가 응답하지 않습니다.',
  firstChunkOfTurns: '최근 답변의 첫 글자까지 걸린 시간',
  within: (/** @type {number} */ n, /** @type {string} */ time) => `100개 중 ${n}개가 ${time} 이내`,
  errors: '오류 (시작 이후)',
  noErrors: '오류가 없습니다.',
  lastTurns: '최근 답변',
  noTurns: '아직 답변이 없습니다.',
  endedAt: '종료',
  outcome: '결과',
  firstWord: '첫 글자',
  whole: '전체',
  worstGap: '최장 공백',
  tokens: '토큰',
  cost: '비용',
  trace: '추적 ID',
  oneTurn: '답변 하나 살펴보기',
  findTrace: '추적 ID',
  find: '찾기',
  chooseTurn: '목록에서 추적 ID를 고르거나 입력하세요.',
  unknownTrace: '이 추적 ID의 답변은 기록에 없습니다. 마지막 1,000개만 기억합니다.',
  model: '모델',
  context: '맥락',
  contextOf: { cache: '캐시', database: '데이터베이스', none: '이전 대화 없음' },
  code: '오류 코드',
  estimated: '추정',
  step: '단계',
  when: '시점',
  took: '걸린 시간',
  stepStored: '질문 저장',
  stepRecalled: '맥락 불러오기',
  stepReserved: '비용 예약',
  stepAsked: (/** @type {number} */ n, /** @type {string} */ result) => `모델 요청 ${n} (${result})`,
  stepWritten: (/** @type {number} */ n) => `답변 ${n}조각`,
  stepEnded: '마무리',
  stepSaved: '결과 저장',
  running: '진행 중',
  seconds: (/** @type {string} */ n) => `${n}초`,
  outcomes: {
    ok: '완료', client_cancel: '사용자가 중지', grace_expired: '보는 사람이 없어 중지', shutdown: '재시작으로 중단',
    first_token_timeout: '첫 글자 지연', idle_timeout: '중간에 멈춤', total_timeout: '제한 시간 초과', upstream_error: '모델 오류',
    upstream_truncated: '중간에 끊김', cost_cap: '비용 상한', rate_limited: '요청 과다', storage_error: '저장 오류', refused: '거절',
    internal_error: '내부 오류',
  },
};

/** @typedef {typeof ko} Texts */

/** @type {Texts} */
const en = {
  title: 'Gateway figures',
  now: 'Now',
  pause: 'Pause',
  resume: 'Go on',
  otherLocale: '한국어',
  ok: 'Ok',
  degraded: 'Without Redis',
  storage_unavailable: 'No database',
  draining: 'Draining',
  lost: 'No answer',
  paused: 'Paused',
  connecting: 'Connecting',
  turnsRunning: 'Answers under way',
  connections: 'Connections',
  firstChunk: 'To the first word (median)',
  spentToday: 'Spent today (UTC)',
  reservedOf: (reserved, cap) => `set aside ${reserved} · cap ${cap}`,
  spentUnknown: 'The database does not answer.',
  firstChunkOfTurns: 'To the first word, the last answers',
  within: (n, time) => `${n} of 100 within ${time}`,
  errors: 'Errors since the start',
  noErrors: 'No errors.',
  lastTurns: 'Last answers',
  noTurns: 'No answers yet.',
  endedAt: 'Ended',
  outcome: 'Outcome',
  firstWord: 'First word',
  whole: 'Whole',
  worstGap: 'Longest gap',
  tokens: 'Tokens',
  cost: 'Cost',
  trace: 'Trace id',
  oneTurn: 'One answer',
  findTrace: 'Trace id',
  find: 'Find',
  chooseTurn: 'Choose a trace id from the list, or type one.',
  unknownTrace: 'No answer of this trace is remembered. The last 1,000 are.',
  model: 'Model',
  context: 'Context',
  contextOf: { cache: 'cache', database: 'database', none: 'nothing said before' },
  code: 'Error code',
  estimated: 'estimated',
  step: 'Step',
  when: 'When',
  took: 'Took',
  stepStored: 'Question stored',
  stepRecalled: 'Context recalled',
  stepReserved: 'Money set aside',
  stepAsked: (n, result) => `Request ${n} to the model (${result})`,
  stepWritten: (n) => `Answer in ${n} pieces`,
  stepEnded: 'Ended',
  stepSaved: 'End stored',
  running: 'under way',
  seconds: (n) => `${n} s`,
  outcomes: {
    ok: 'Complete', client_cancel: 'Stopped by the reader', grace_expired: 'Stopped: nobody watched', shutdown: 'Cut by a restart',
    first_token_timeout: 'First word too late', idle_timeout: 'Silent midway', total_timeout: 'Took too long', upstream_error: 'Model failed',
    upstream_truncated: 'Cut off midway', cost_cap: 'Cost cap', rate_limited: 'Too many requests', storage_error: 'Storage failed', refused: 'Refused',
    internal_error: 'Internal error',
  },
};

/** The language of the page; read anew wherever it is used, since the reader may change it. */
export const language = { locale: 'ko', texts: ko };

/** @param {string} locale */
export function setLanguage(locale) {
  language.locale = locale;
  language.texts = locale === 'ko' ? ko : en;
  document.documentElement.lang = locale;
  document.title = language.texts.title;
  for (const element of all('[data-text]')) setText(element, word(element.dataset.text));
  for (const element of all('[data-label]')) element.ariaLabel = word(element.dataset.label);
  for (const element of all('[data-placeholder]')) element.setAttribute('placeholder', word(element.dataset.placeholder));
}

/**
 * Setting the same text again makes some screen readers say it again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number | null} ms */
export function duration(ms) {
  if (ms === null) return '–';
  if (ms < 1000) return `${ms} ms`;
  const digits = new Intl.NumberFormat(language.locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return language.texts.seconds(digits.format(ms / 1000));
}

/** @param {string} usd */
export function money(usd) {
  const digits = new Intl.NumberFormat(language.locale, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  return `$${digits.format(Number(usd))}`;
}

/** @param {number} n */
export function count(n) {
  return new Intl.NumberFormat(language.locale).format(n);
}

/** @param {string} iso */
export function clock(iso) {
  return new Intl.DateTimeFormat(language.locale, { timeStyle: 'medium' }).format(new Date(iso));
}

/** @param {string | undefined} name */
function word(name) {
  const text = language.texts[/** @type {keyof Texts} */ (name)];
  return typeof text === 'string' ? text : '';
}

/** @param {string} selector */
function all(selector) {
  return /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(selector));
}
