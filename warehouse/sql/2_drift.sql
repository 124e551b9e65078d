-- What changed. Every transition of an alert is a row; the view alerts_now has the present state.

CREATE TABLE IF NOT EXISTS $database.blocks
(
    block_id String,
    model LowCardinality(String),
    reference_version LowCardinality(String),
    source_partition Int32,
    first_offset UInt64,
    last_offset UInt64,
    time_min DateTime64(3, 'UTC'),
    time_max DateTime64(3, 'UTC'),
    events UInt64,
    decisions Map(LowCardinality(String), UInt64),
    signal_means Map(LowCardinality(String), Nullable(Float64)),
    signal_missing Map(LowCardinality(String), Nullable(UInt64)),
    numeric_json String CODEC(ZSTD),
    categorical_json String CODEC(ZSTD),
    sample_json String CODEC(ZSTD),
    features_unwatched UInt64,
    unwatched Array(String),
    $identity
)
ENGINE = MergeTree ORDER BY (model, time_min, block_id)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.alerts
(
    alert_id String,
    model LowCardinality(String),
    signal LowCardinality(String),
    detector LowCardinality(String),
    severity LowCardinality(String),
    state LowCardinality(String),
    revision UInt64,
    fired_at DateTime64(3, 'UTC'),
    fired_at_event UInt64,
    changed_at DateTime64(3, 'UTC'),
    changed_by String,
    reference_version LowCardinality(String),
    evidence Map(LowCardinality(String), Nullable(Float64)),
    report_id String,
    report_problem String,
    task_id String,
    note String,
    judged_until Nullable(DateTime64(3, 'UTC')),
    raised_at Nullable(DateTime64(3, 'UTC')),
    told_at Nullable(DateTime64(3, 'UTC')),
    answer LowCardinality(String),
    $identity
)
ENGINE = MergeTree ORDER BY (model, fired_at, alert_id, revision)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.reference_windows
(
    model LowCardinality(String),
    version String,
    created_at DateTime64(3, 'UTC'),
    reason String,
    time_min DateTime64(3, 'UTC'),
    time_max DateTime64(3, 'UTC'),
    events UInt64,
    signal_means Map(LowCardinality(String), Nullable(Float64)),
    signal_sds Map(LowCardinality(String), Nullable(Float64)),
    psi_normal Map(LowCardinality(String), Nullable(Float64)),
    numeric_json String CODEC(ZSTD),
    categorical_json String CODEC(ZSTD),
    sample_json String CODEC(ZSTD),
    $identity
)
ENGINE = MergeTree ORDER BY (model, created_at, version)
SETTINGS $deduplication;

-- How DRIFT stands with each model; the newest row counts. Counts begin anew when a worker reads the blocks again.
CREATE TABLE IF NOT EXISTS $database.drift_states
(
    model LowCardinality(String),
    told_at DateTime64(3, 'UTC'),
    events_seen UInt64,
    windows_seen UInt64,
    late_blocks UInt64,
    late_events UInt64,
    forced_blocks UInt64,
    time_resets UInt64,
    features_unwatched UInt64,
    unwatched Array(String),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY (model, told_at)
TTL toDateTime(told_at) + INTERVAL 30 DAY
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.reports
(
    report_id String,
    alert_id String,
    model LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    json String CODEC(ZSTD),
    html String CODEC(ZSTD),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY report_id
SETTINGS $deduplication;
