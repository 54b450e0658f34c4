/** Every string of the page, Korean and English, and the one place that puts them on it. */

/** @import { Locale } from './frames.js' */

const GONE_FOR = 100;

const ko = {
  title: '리포트 채팅',
  report: '리포트',
  pickReport: '리포트 선택',
  noReports: '선택할 수 있는 리포트가 없습니다',
  nameReport: '주소에 리포트를 지정해 주세요. (?report=…)',
  summary: '요약',
  figures: '주요 수치',
  newConversation: '새 대화',
  otherLocale: 'English',
  otherLocaleShort: 'EN',
  simulated: '시뮬레이터',
  transcript: '대화 내용',
  emptyTitle: '이 리포트에 대해 물어보세요',
  emptyHint: '리포트의 내용과 수치를 바탕으로 답해 드립니다.',
  suggestions: '추천 질문',
  you: '질문',
  assistant: '답변',
  composer: '질문 입력',
  placeholder: '리포트에 대해 질문하기',
  disclaimer: 'AI의 답변은 정확하지 않을 수 있습니다. 중요한 수치는 리포트에서 확인하세요.',
  disclaimerShort: 'AI 답변은 틀릴 수 있습니다.',
  send: '보내기',
  stop: '중지',
  retry: '다시 시도',
  jump: '맨 아래로',
  typing: '답변을 준비하고 있습니다',
  waiting: '',
  slow: '응답이 지연되고 있습니다…',
  retrying: '다시 시도하고 있습니다…',
  stopping: '중지하는 중…',
  streaming: '작성 중…',
  stopped: '중지됨',
  interrupted: '중단됨',
  length: '길이 제한에 도달해 여기까지 답했습니다.',
  contentFilter: '내용 정책에 따라 답변이 중단되었습니다.',
  shortened: '비용 한도에 맞춰 짧게 답했습니다.',
  emptyAnswer: '답변 내용이 없습니다.',
  details: '상세 정보',
  tokens: '토큰',
  cost: '비용',
  estimated: '추정',
  firstText: '첫 글자',
  total: '전체',
  model: '모델',
  trace: '추적 ID',
  seconds: (/** @type {string} */ n) => `${n}초`,
  chars: (/** @type {string} */ n, /** @type {string} */ max) => `${n} / ${max}자`,
  answerStarted: '답변이 시작되었습니다.',
  stillWriting: '답변을 계속 작성하고 있습니다.',
  answerDone: '답변이 완료되었습니다.',
  answerStopped: '답변이 중지되었습니다.',
  connecting: '서버에 연결하고 있습니다…',
  reconnecting: '연결이 끊겼습니다. 다시 연결하고 있습니다…',
  offline: '오프라인 상태입니다. 네트워크를 확인해 주세요.',
  fatal: '연결할 수 없습니다.',
  reconnected: '다시 연결되었습니다.',
  reconnect: '지금 다시 연결',
  keyMissing: 'OpenAI API 키가 설정되지 않아 답변할 수 없습니다. 관리자에게 문의해 주세요.',
  draining: '서버가 곧 재시작됩니다. 잠시 후 자동으로 다시 연결됩니다.',
  budgetLow: '이 대화의 예산이 얼마 남지 않았습니다.',
  dayBudgetLow: '오늘의 예산이 얼마 남지 않았습니다.',
  help: '도움말과 단축키',
  helpTitle: '단축키',
  helpSend: '보내기',
  helpNewLine: '줄 바꿈',
  helpStop: '답변 중지',
  helpEdit: '빈 입력창에서 마지막 질문 다시 쓰기',
  helpCopy: '마지막 답변 복사',
  helpOpen: '이 도움말 열기',
  checkPath: '연결 진단',
  checkingPath: '연결을 진단하고 있습니다…',
  close: '닫기',
  more: '더 보기',
  exportMarkdown: '대화 내보내기 (.md)',
  exportJson: '대화 내보내기 (.json)',
  exported: '대화를 내보냈습니다.',
  copyCode: '복사',
  copyAnswer: '복사',
  copyTrace: '추적 ID 복사',
  copied: '복사됨',
  copyFailed: '복사하지 못함',
  regenerate: '다시 생성',
  versions: '답변 버전',
  previousVersion: '이전 버전',
  nextVersion: '다음 버전',
  earlier: '이전 대화 보기',
  earlierFailed: '이전 대화를 불러오지 못했습니다. 다시 시도',
  dismiss: '알림 닫기',
  conversationCost: '대화 비용',
  retryIn: (/** @type {number} */ seconds) => `다시 시도 (${seconds}초)`,
  reconnectIn: (/** @type {number} */ seconds) => `연결이 끊겼습니다. ${seconds}초 후 다시 연결합니다.`,
  askedAt: '질문 시각',
  exportedAt: '내보낸 시각',
  unknownError: '일시 오류가 발생했습니다.',
};

/** @typedef {typeof ko} Texts */

/** @type {Texts} */
const en = {
  title: 'Report Chat',
  report: 'Report',
  pickReport: 'Choose a report',
  noReports: 'No reports to choose from',
  nameReport: 'The address must name a report (?report=…).',
  summary: 'Summary',
  figures: 'Key figures',
  newConversation: 'New conversation',
  otherLocale: '한국어',
  otherLocaleShort: '한',
  simulated: 'Simulator',
  transcript: 'Conversation',
  emptyTitle: 'Ask about this report',
  emptyHint: 'Answers draw on the report’s text and figures.',
  suggestions: 'Suggested questions',
  you: 'Question',
  assistant: 'Answer',
  composer: 'Your question',
  placeholder: 'Ask about the report',
  disclaimer: 'AI answers can be wrong. Check important figures against the report.',
  disclaimerShort: 'AI answers can be wrong.',
  send: 'Send',
  stop: 'Stop',
  retry: 'Try again',
  jump: 'Jump to the latest',
  typing: 'Preparing the answer',
  waiting: '',
  slow: 'The answer is taking longer than usual…',
  retrying: 'Trying again…',
  stopping: 'Stopping…',
  streaming: 'Writing…',
  stopped: 'Stopped',
  interrupted: 'Interrupted',
  length: 'The answer ends here because it reached its length limit.',
  contentFilter: 'The answer was ended by the content policy.',
  shortened: 'Kept short to stay within the cost limit.',
  emptyAnswer: 'The answer is empty.',
  details: 'Details',
  tokens: 'Tokens',
  cost: 'Cost',
  estimated: 'estimated',
  firstText: 'First text',
  total: 'Total',
  model: 'Model',
  trace: 'Trace id',
  seconds: (n) => `${n} s`,
  chars: (n, max) => `${n} / ${max} characters`,
  answerStarted: 'The answer has started.',
  stillWriting: 'The answer is still being written.',
  answerDone: 'The answer is complete.',
  answerStopped: 'The answer was stopped.',
  connecting: 'Connecting to the server…',
  reconnecting: 'Connection lost. Reconnecting…',
  offline: 'You are offline. Check your network.',
  fatal: 'The connection could not be made.',
  reconnected: 'Connected again.',
  reconnect: 'Reconnect now',
  keyMissing: 'No OpenAI API key is configured, so questions cannot be answered. Ask the administrator.',
  draining: 'The server is about to restart. You will be reconnected shortly.',
  budgetLow: 'This conversation’s budget is nearly used up.',
  dayBudgetLow: 'Today’s budget is nearly used up.',
  help: 'Help and shortcuts',
  helpTitle: 'Shortcuts',
  helpSend: 'Send',
  helpNewLine: 'New line',
  helpStop: 'Stop the answer',
  helpEdit: 'Write the last question again, in an empty box',
  helpCopy: 'Copy the last answer',
  helpOpen: 'Open this help',
  checkPath: 'Check connection',
  checkingPath: 'Checking the connection…',
  close: 'Close',
  more: 'More',
  exportMarkdown: 'Export conversation (.md)',
  exportJson: 'Export conversation (.json)',
  exported: 'The conversation was exported.',
  copyCode: 'Copy',
  copyAnswer: 'Copy',
  copyTrace: 'Copy trace id',
  copied: 'Copied',
  copyFailed: 'Could not copy',
  regenerate: 'Regenerate',
  versions: 'Versions of the answer',
  previousVersion: 'Previous version',
  nextVersion: 'Next version',
  earlier: 'Show earlier messages',
  earlierFailed: 'Earlier messages could not be loaded. Try again',
  dismiss: 'Dismiss',
  conversationCost: 'Conversation cost',
  retryIn: (seconds) => `Try again (${seconds} s)`,
  reconnectIn: (seconds) => `Connection lost. Reconnecting in ${seconds} s.`,
  askedAt: 'Asked at',
  exportedAt: 'Exported at',
  unknownError: 'A temporary error occurred.',
};

/** @type {Record<Locale, Texts>} */
const TEXTS = { ko, en };

/** The language of the page; read anew wherever it is used, since the reader may change it. */
export const language = { locale: /** @type {Locale} */ ('ko'), texts: ko };

/** @param {Locale} locale */
export function setLanguage(locale) {
  language.locale = locale;
  language.texts = TEXTS[locale];
  document.documentElement.lang = locale;
  document.title = language.texts.title;
  translate(document);
}

/**
 * Words for everything below `root` that names its text, its label or its placeholder.
 * @param {ParentNode} root
 */
export function translate(root) {
  for (const element of elements(root, '[data-text]')) setText(element, word(element.dataset.text));
  for (const element of elements(root, '[data-label]')) element.ariaLabel = word(element.dataset.label);
  for (const element of elements(root, '[data-title]')) element.title = word(element.dataset.title);
  for (const element of elements(root, '[data-placeholder]')) element.setAttribute('placeholder', word(element.dataset.placeholder));
}

/**
 * Names the text of an element, which follows the language from then on.
 * @param {HTMLElement} element
 * @param {keyof Texts} name
 */
export function label(element, name) {
  element.dataset.text = name;
  setText(element, word(name));
}

/**
 * Setting the same text again makes some screen readers say it again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Says something to those who do not see it.
 * @param {string} text
 */
export function announce(text) {
  const announcer = document.getElementById('announcer');
  if (!announcer) return;
  // The same words again are heard only after they have been gone.
  announcer.textContent = '';
  setTimeout(() => setText(announcer, text), GONE_FOR);
}

/** @param {string} usd */
export function money(usd) {
  const digits = new Intl.NumberFormat(language.locale, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  return `$${digits.format(Number(usd))}`;
}

/** @param {string | undefined} name */
function word(name) {
  const text = language.texts[/** @type {keyof Texts} */ (name)];
  return typeof text === 'string' ? text : '';
}

/**
 * @param {ParentNode} root
 * @param {string} selector
 */
function elements(root, selector) {
  return /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(selector));
}
