-- What the model learned, and every look of the gate at it.

CREATE TABLE IF NOT EXISTS $database.models
(
    model LowCardinality(String),
    version String,
    parent String,
    lineage Array(String),
    recipe LowCardinality(String),
    corrections UInt64,
    sha256 String,
    size_bytes UInt64,
    chunks UInt64,
    python LowCardinality(String),
    river LowCardinality(String),
    numpy LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    reason String,
    key_id LowCardinality(String),
    signature_hex String,
    sequence UInt64,
    topic_id String,
    $identity
)
ENGINE = MergeTree ORDER BY (model, created_at, version)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.gates
(
    model LowCardinality(String),
    gate LowCardinality(String),
    step UInt64,
    corrections UInt64,
    champion String,
    challenger String,
    log_evidence Float64,
    log_threshold Float64,
    decision LowCardinality(String),
    reason String,
    approved_by String,
    time DateTime64(3, 'UTC'),
    $identity
)
ENGINE = MergeTree ORDER BY (model, time, gate, step)
SETTINGS $deduplication;
