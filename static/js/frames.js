/** The frames of protocol chatgw.v1 as types. Nothing here runs, so no browser loads it. */

/** @typedef {'ko' | 'en'} Locale */

/** @typedef {{ type: 'hello', session?: string, report_id?: string, locale: Locale }} Hello */
/** @typedef {{ type: 'message', id: string, text: string, regenerate_of?: string }} Message */
/** @typedef {{ type: 'cancel', turn_id: string }} Cancel */
/** @typedef {{ type: 'resume', turn_id: string, after: number }} Resume */
/** @typedef {{ type: 'ping', id?: string }} Ping */
/** @typedef {Hello | Message | Cancel | Resume | Ping} ClientFrame */

/** @typedef {{ id: string, headline: string, summary: string }} ReportHead */
/** @typedef {ReportHead & { locale: string, figures: string, created_at: string }} Report */
/** @typedef {{ message_chars: number, frame_bytes: number, turn_seconds: number, history_messages: number }} Limits */
/** @typedef {{ request_usd: string, session_usd: string, session_spent_usd: string }} Budget */
/** @typedef {{ input_tokens: number, cached_tokens: number, output_tokens: number, reasoning_tokens: number }} Usage */

/**
 * One turn as the server stores it.
 * @typedef {object} StoredTurn
 * @property {string} turn_id
 * @property {string} id
 * @property {number} n
 * @property {string} question
 * @property {string} text
 * @property {number} to
 * @property {'accepted' | 'streaming' | 'answered' | 'cancelled' | 'failed' | 'interrupted'} state
 * @property {string} asked_at
 * @property {Done | Failure | null} end null while the turn runs
 * @property {string} [regenerate_of]
 */

/**
 * @typedef {object} Ready
 * @property {'ready'} type
 * @property {string} session
 * @property {string} session_id
 * @property {ReportHead | null} report
 * @property {string} model
 * @property {boolean} simulated
 * @property {boolean} key_configured
 * @property {Limits} limits
 * @property {Budget} budget
 * @property {string[]} suggestions
 * @property {StoredTurn[]} turns
 * @property {{ turn_id: string } | null} active_turn
 */

/** @typedef {{ type: 'accepted', id: string, turn_id: string, duplicate: boolean, shortened?: boolean, text?: string, regenerate_of?: string }} Accepted */
/** @typedef {{ type: 'status', turn_id: string, state: 'waiting' | 'slow' | 'retrying', retry_in_ms?: number }} Status */
/** @typedef {{ type: 'delta', turn_id: string, from: number, to: number, text: string }} Delta */
/** @typedef {{ type: 'snapshot', turn_id: string, to: number, text: string }} Snapshot */
/** @typedef {{ type: 'notice', code: string, budget?: 'session' | 'day' }} Notice */
/** @typedef {{ type: 'pong', id?: string }} Pong */

/**
 * @typedef {object} Done
 * @property {'done'} type
 * @property {string} turn_id
 * @property {number} to
 * @property {'stop' | 'length' | 'content_filter' | 'cancelled'} finish_reason
 * @property {Usage} [usage]
 * @property {string} [cost_usd]
 * @property {'reported' | 'estimated'} [cost_source]
 * @property {string} [model]
 * @property {number | null} [ttft_ms]
 * @property {number | null} [total_ms]
 * @property {boolean} [shortened]
 * @property {Budget} [budget]
 * @property {string} [trace_id]
 */

/**
 * The `error` frame; named so because `Error` is taken.
 * @typedef {object} Failure
 * @property {'error'} type
 * @property {'frame' | 'turn' | 'session'} scope
 * @property {string} code
 * @property {string} message
 * @property {boolean} retryable
 * @property {number} [retry_after_ms]
 * @property {string} [id]
 * @property {string} [turn_id]
 * @property {number} [to]
 * @property {Usage} [usage]
 * @property {string} [cost_usd]
 * @property {'reported' | 'estimated'} [cost_source]
 * @property {boolean} [partial]
 * @property {Budget} [budget]
 * @property {string} [trace_id]
 */

/** @typedef {Ready | Accepted | Status | Delta | Snapshot | Done | Failure | Notice | Pong} ServerFrame */

export {};
