//! The memory of a session, which shows whether it equals a new one.

use std::sync::LazyLock;

/// Asks for the memory of the session: how much its settings take, and whether it has anything else
/// than sessions have from ordinary work. A session may have set parameters that only it knows, such
/// as `app.user`; they cannot be listed, and a reset leaves them empty rather than undefined. But
/// they take memory, as the settings of a library do that it has loaded. Interpreters, connections
/// to other servers and the like have memory of their own names.
pub(super) static MEMORY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT sum(used_bytes) FILTER (WHERE name = 'GUCMemoryContext')::bigint AS settings,
                bool_and(name = ANY ('{{\"{}\"}}')) AS harmless
         FROM pg_get_backend_memory_contexts()",
        HARMLESS.join("\",\"")
    )
});

/// The memory of a session that a test has used.
pub(super) struct Memory {
    pub(super) settings: i64,
    pub(super) harmless: bool,
}

impl Memory {
    /// Returns whether the session has nothing that a new one has not: its settings took as much
    /// memory then.
    pub(super) fn equals_new(&self, settings: i64) -> bool {
        self.settings == settings && self.harmless
    }
}

/// Names of memory that sessions have from ordinary work, as caches of the catalogs, of plans and
/// of compiled functions; no test can tell from it what was done before.
const HARMLESS: [&str; 77] = [
    "AggContext",
    "Attopt cache",
    "CFuncHash",
    "CacheMemoryContext",
    "Cached function hash",
    "CachedPlan",
    "CachedPlanQuery",
    "CachedPlanSource",
    "Caller tuples",
    "ErrorContext",
    "EventTriggerCache",
    "EventTriggerCacheHash",
    "ExecutorState",
    "ExprContext",
    "GUC hash table",
    "GUCMemoryContext",
    "HashAgg hashed tuples",
    "HashAgg meta context",
    "LOCALLOCK hash",
    "Map from relid to OID of cached composite type",
    "MdSmgr",
    "MessageContext",
    "Operator class cache",
    "Operator lookup cache",
    "PL/pgSQL function",
    "PLpgSQL cast cache",
    "PLpgSQL cast expressions",
    "PLpgSQL function hash",
    "PgStat Pending",
    "PgStat Shared Ref",
    "PgStat Shared Ref Hash",
    "PgStat Snapshot",
    "Portal hash",
    "PortalContext",
    "Prepared Queries",
    "PrivateRefCount",
    "RI compare cache",
    "RI constraint cache",
    "RI query cache",
    "Record information cache",
    "Relcache by OID",
    "Rendezvous variable hash",
    "RowDescriptionContext",
    "SPI Plan",
    "SQL function",
    "SRF multi-call context",
    "Sequence values",
    "Table function arguments",
    "TableSpace cache",
    "Timezones",
    "TopMemoryContext",
    "TopPortalContext",
    "TopTransactionContext",
    "TransactionAbortContext",
    "Tsearch configuration cache",
    "Tsearch dictionary",
    "Tsearch dictionary cache",
    "Tsearch parser cache",
    "TsearchCtx",
    "TupleHashTable",
    "TupleSort main",
    "TupleSort sort",
    "Tuplestore",
    "Type information cache",
    "WAL record construction",
    "index info",
    "partition constraint",
    "partition descriptor",
    "partition key",
    "per-parsetree message context",
    "pg_get_backend_memory_contexts",
    "printtup",
    "relation rules",
    "row security descriptor",
    "search_path processing cache",
    "smgr relation table",
    "tuplestore tuples",
];
