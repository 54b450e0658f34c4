/** What the modules hand to one another, as types. Nothing here runs, so no browser loads it. */

/** @import { ClientFrame, Done, Failure, Hello, Ready, ServerFrame } from './frames.js' */

/** @typedef {'connecting' | 'online' | 'reconnecting' | 'offline' | 'fatal'} ConnectionState */
/** @typedef {{ code?: number | null, retryAt?: number | null }} ConnectionDetail `retryAt` in the time of `Date.now` */

/**
 * What makes a connection: connection.js over a WebSocket, sse.js over HTTP.
 * @typedef {object} TransportOptions
 * @property {URL | string} url
 * @property {() => Hello} hello asked for at each connection, since token and locale change
 * @property {(frame: ServerFrame) => void} onFrame
 * @property {(state: ConnectionState, detail: ConnectionDetail) => void} onState
 */
/** @typedef {{ send(frame: ClientFrame): boolean, reopen(): void, check(): void, fail(): void, close(): void }} Connection */
/** @typedef {(options: TransportOptions) => Connection} Transport */

/**
 * @typedef {object} Turn
 * @property {string} id made by the client that asked
 * @property {string | null} turnId null until the server has accepted the question
 * @property {number} n its number in the session, 0 as long as it is not known
 * @property {string} question
 * @property {string} text
 * @property {number} to position of the last piece held
 * @property {'sending' | 'running' | 'ended'} state
 * @property {'waiting' | 'slow' | 'retrying' | null} status
 * @property {boolean} stopping
 * @property {boolean} shortened
 * @property {boolean} witnessed whether this page saw it run, rather than found it in the history
 * @property {string | null} regenerateOf the turn this one answers anew
 * @property {string | null} askedAt
 * @property {Done | Failure | null} end null on an ended turn whose end nobody recorded
 */

/**
 * @typedef {object} Conversation
 * @property {Ready | null} session
 * @property {Turn[]} turns
 * @property {Failure | null} error of the session or of the last frame sent; a turn keeps its own
 * @property {{ text: string } | null} returned a question the server refused; a new object each time
 * @property {string[]} notices `code` or `code:budget` of what the server wants known, until dismissed
 */

/** @typedef {{ id: string, versions: Turn[] }} Exchange one question and its answers, the first first */

/**
 * @typedef {object} ChatSnapshot
 * @property {ConnectionState} connection
 * @property {number | null} closeCode
 * @property {number | null} retryAt when the next try to connect begins, in the time of `Date.now`
 * @property {Conversation} conversation
 */

export {};
