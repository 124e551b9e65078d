-- Who had to look and what they said. Every transition of a task or a person is a row; tasks_now and people_now have the
-- present state. Password hashes are not kept here.

CREATE TABLE IF NOT EXISTS $database.tasks
(
    task_id String,
    lane LowCardinality(String),
    model LowCardinality(String),
    state LowCardinality(String),
    revision UInt64,
    created_at DateTime64(3, 'UTC'),
    due_at DateTime64(3, 'UTC'),
    priority Float64,
    reasons Array(LowCardinality(String)),
    choices Array(LowCardinality(String)),
    inclusion_probability Nullable(Float64),
    uncertainty Nullable(Float64),
    event_id String,
    event_time Nullable(DateTime64(3, 'UTC')),
    model_version LowCardinality(String),
    features Map(LowCardinality(String), Nullable(Float64)),
    features_integer Map(LowCardinality(String), Nullable(Decimal(76, 0))),
    features_text Map(LowCardinality(String), Nullable(String)),
    prediction LowCardinality(Nullable(String)),
    confidence Nullable(Float64),
    probabilities Map(LowCardinality(String), Nullable(Float64)),
    slices Map(LowCardinality(String), Nullable(String)),
    content String CODEC(ZSTD),
    learn Nullable(Bool),
    learned_prediction LowCardinality(Nullable(String)),
    learned_version LowCardinality(Nullable(String)),
    alert_id String,
    answer LowCardinality(String),
    changed_at Nullable(DateTime64(3, 'UTC')),
    correction_id String,
    challenger_prediction LowCardinality(Nullable(String)),
    challenger_version LowCardinality(Nullable(String)),
    audit_probability Float64,
    $identity,
    INDEX by_task task_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, created_at, task_id, revision)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.opinions
(
    opinion_id String,
    task_id String,
    model LowCardinality(String),
    person LowCardinality(String),
    answer LowCardinality(String),
    time DateTime64(3, 'UTC'),
    seconds_spent Float64,
    comment String,
    simulated Bool,
    $identity
)
ENGINE = MergeTree ORDER BY (model, time, opinion_id)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.corrections
(
    correction_id String,
    model LowCardinality(String),
    model_version LowCardinality(String),
    event_id String,
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    label LowCardinality(String),
    source LowCardinality(String),
    task_id String,
    features Map(LowCardinality(String), Nullable(Float64)),
    features_integer Map(LowCardinality(String), Nullable(Decimal(76, 0))),
    features_text Map(LowCardinality(String), Nullable(String)),
    prediction LowCardinality(String),
    confidence Float64,
    probabilities Map(LowCardinality(String), Nullable(Float64)),
    slices Map(LowCardinality(String), Nullable(String)),
    inclusion_probability Float64,
    audit Bool,
    reliability Float64,
    learn Bool,
    learned_prediction LowCardinality(Nullable(String)),
    learned_version LowCardinality(Nullable(String)),
    challenger_prediction LowCardinality(Nullable(String)),
    challenger_version LowCardinality(Nullable(String)),
    audit_probability Float64,
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.people
(
    person_id String,
    name String,
    roles Array(LowCardinality(String)),
    disabled Bool,
    simulated Bool,
    version UInt64,
    changed_at DateTime64(3, 'UTC'),
    $identity
)
ENGINE = MergeTree ORDER BY (person_id, version)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.policies
(
    setting_id String,
    kind LowCardinality(String),
    model LowCardinality(String),
    numbers Map(LowCardinality(String), Nullable(Float64)),
    integers Map(LowCardinality(String), Nullable(Decimal(76, 0))),
    texts Map(LowCardinality(String), Nullable(String)),
    version UInt64,
    changed_at DateTime64(3, 'UTC'),
    changed_by String,
    $identity
)
ENGINE = MergeTree ORDER BY (setting_id, version)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.audit
(
    sequence UInt64,
    time DateTime64(3, 'UTC'),
    who String,
    what LowCardinality(String),
    subject String,
    details Map(LowCardinality(String), Nullable(String)),
    previous_hash String,
    hash String,
    personal Map(LowCardinality(String), Nullable(String)),
    $identity
)
ENGINE = MergeTree ORDER BY sequence
SETTINGS $deduplication;
