/** Colours for code, loaded with the first block that needs them: highlight.js, one language at a time. */

const LIBRARY = '../vendor/highlightjs-cdn-assets@11.12.0';
/** @type {Record<string, string>} */
const LANGUAGES = {
  bash: 'bash', sh: 'bash', shell: 'bash', zsh: 'bash', console: 'bash',
  c: 'cpp', 'c++': 'cpp', cpp: 'cpp', css: 'css', diff: 'diff', patch: 'diff', go: 'go', golang: 'go', java: 'java',
  javascript: 'javascript', js: 'javascript', jsx: 'javascript', mjs: 'javascript', json: 'json',
  python: 'python', py: 'python', r: 'r', rust: 'rust', rs: 'rust', sql: 'sql', postgresql: 'sql',
  typescript: 'typescript', ts: 'typescript', tsx: 'typescript', html: 'xml', svg: 'xml', xml: 'xml', yaml: 'yaml', yml: 'yaml',
};
// Longer code keeps the page waiting for colours nobody reads.
const LONGEST = 50_000;

/** Takes what highlight.js finds straight into elements; its own emitter would make markup, which this page never parses. */
class Elements {
  constructor() {
    this.root = document.createElement('span');
    this.at = this.root;
  }

  /** @param {string} text */
  addText(text) {
    this.at.append(text);
  }

  /** @param {string} scope */
  openNode(scope) {
    const span = document.createElement('span');
    span.className = `hl-${scope.split('.')[0]}`;
    this.at.append(span);
    this.at = span;
  }

  closeNode() {
    this.at = this.at.parentElement ?? this.root;
  }

  /** @param {string} scope */
  startScope(scope) { this.openNode(scope); }

  endScope() { this.closeNode(); }

  /** @param {Elements} emitter */
  __addSublanguage(emitter) { this.at.append(emitter.root); }

  finalize() { this.at = this.root; }

  toHTML() { return ''; }
}

/** @type {Promise<any> | null} */
let loading = null;

async function load() {
  const colours = document.createElement('link');
  colours.rel = 'stylesheet';
  colours.href = new URL('../highlight.css', import.meta.url).href;
  document.head.append(colours);
  const { default: hljs } = await import(`${LIBRARY}/core.min.js`);
  hljs.configure({ __emitter: Elements });
  return hljs;
}

/**
 * @param {string} source
 * @param {string} name as the answer wrote it
 * @returns {Promise<Node | null>} null for a language we have no colours for
 */
export async function highlight(source, name) {
  const language = LANGUAGES[name.toLowerCase()];
  if (!language || source.length > LONGEST) return null;
  const hljs = await (loading ??= load());
  if (!hljs.getLanguage(language)) {
    const { default: grammar } = await import(`${LIBRARY}/${language}.min.js`);
    hljs.registerLanguage(language, grammar);
  }
  return hljs.highlight(source, { language, ignoreIllegals: true })._emitter.root;
}
