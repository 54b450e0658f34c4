/** The chat as a React hook. React is given by the caller, so that this page needs none and yours needs no second one. */

/** @import { ChatOptions, Chat } from './client.js' */
/** @import { ChatSnapshot } from './types.js' */

import { IDLE, createChat } from './client.js';

/**
 * @typedef {object} ReactHooks
 * @property {<T>(initial: T) => [T, (next: T) => void]} useState
 * @property {(effect: () => () => void, dependencies: unknown[]) => void} useEffect
 * @property {<T>(subscribe: (listener: () => void) => () => void, get: () => T, getOnServer: () => T) => T} useSyncExternalStore
 */

const idle = () => IDLE;
const never = () => () => {};

/**
 * `const useChatWebSocket = makeUseChatWebSocket(React);` once, then in a component:
 * `const { connection, conversation, chat } = useChatWebSocket({ url, locale, reportId });`
 * @param {ReactHooks} React
 */
export function makeUseChatWebSocket({ useState, useEffect, useSyncExternalStore }) {
  /**
   * @param {ChatOptions} options
   * @returns {ChatSnapshot & { chat: Chat | null }} `chat` is null until the component is on the page
   */
  return function useChatWebSocket(options) {
    const [chat, setChat] = useState(/** @type {Chat | null} */ (null));
    useEffect(() => {
      const opened = createChat(options);
      setChat(opened);
      return () => opened.destroy();
    }, [String(options.url), options.reportId]);
    useEffect(() => { chat?.setLocale(options.locale); return () => {}; }, [chat, options.locale]);
    return { ...useSyncExternalStore(chat?.subscribe ?? never, chat?.getSnapshot ?? idle, idle), chat };
  };
}
