/** What the ops listener says, as types. Nothing here runs, so no browser loads it. */

/** @typedef {{ turns: number, p50_ms: number, p95_ms: number, p99_ms: number }} Latency */
/** @typedef {{ day: string, spent_usd: string, reserved_usd: string, cap_usd: string }} Day */

/**
 * @typedef {object} Figures
 * @property {string} at
 * @property {string} version
 * @property {'ok' | 'degraded' | 'draining' | 'storage_unavailable'} status
 * @property {{ websocket: number, sse: number }} connections
 * @property {number} turns_running
 * @property {number} answers_pending
 * @property {Day | null} day
 * @property {Latency | null} first_chunk
 * @property {Record<string, number>} outcomes
 * @property {Record<string, number>} errors
 */

/** @typedef {{ span_id: string, model: string, began_ms: number, result: string | null }} Attempt */

/**
 * @typedef {object} Timeline times in milliseconds since the question; null is what did not happen
 * @property {string} turn_id
 * @property {string} trace_id
 * @property {string} model
 * @property {string} ended_at
 * @property {number | null} accepted_ms
 * @property {number | null} recalled_ms
 * @property {'cache' | 'database' | 'none' | null} context
 * @property {number | null} reserved_ms
 * @property {string} reserved_usd
 * @property {Attempt[]} attempts
 * @property {number} retries
 * @property {number | null} first_chunk_ms
 * @property {number | null} last_chunk_ms
 * @property {number | null} worst_gap_ms
 * @property {number | null} ended_ms
 * @property {string | null} outcome
 * @property {string | null} code
 * @property {number | null} saved_ms
 * @property {number} pieces
 * @property {{ input_tokens: number, cached_tokens: number, output_tokens: number, reasoning_tokens: number }} usage
 * @property {string} cost_usd
 * @property {'reported' | 'estimated'} cost_source
 */

export {};
