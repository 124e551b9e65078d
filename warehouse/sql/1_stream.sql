-- What producers sent and what triage said of it.
-- What was not sent is NULL, not 0 and not '': a name that a map lacks too, so that avg(features['age']) is over the events
-- that have an age. Integers beyond 2^53, which a double does not hold, are in features_integer with all their digits.
-- Rows are kept forever. $identity says which message a row came from; the token of an insert is made of it.

-- Every prediction that could be read, as often as it came. The one that was judged has the time of its verdict and is
-- the first of these to be stored; what came again under its id changes nothing (the view review_outcomes has the pairs).
CREATE TABLE IF NOT EXISTS $database.predictions
(
    event_id String,
    model LowCardinality(String),
    model_version LowCardinality(String),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    features Map(LowCardinality(String), Nullable(Float64)),
    features_integer Map(LowCardinality(String), Nullable(Decimal(76, 0))),
    features_text Map(LowCardinality(String), Nullable(String)),
    prediction LowCardinality(String),
    confidence Float64,
    probabilities Map(LowCardinality(String), Nullable(Float64)),
    slices Map(LowCardinality(String), Nullable(String)),
    risk Nullable(Float64),
    subject String,
    consent_review Bool,
    consent_learn Bool,
    content String CODEC(ZSTD),
    producer LowCardinality(String),
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.labels
(
    event_id String,
    model LowCardinality(String),
    label LowCardinality(String),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    purpose LowCardinality(String),
    source LowCardinality(String),
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.verdicts
(
    event_id String,
    model LowCardinality(String),
    model_version LowCardinality(String),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    decision LowCardinality(String),
    reasons Array(LowCardinality(String)),
    uncertainty Float64,
    inclusion_probability Float64,
    error_probability Nullable(Float64),
    audit Bool,
    policy_version LowCardinality(String),
    learned_version LowCardinality(Nullable(String)),
    learned_prediction LowCardinality(Nullable(String)),
    task_id String,
    decided_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    correction_id String,
    settled_label LowCardinality(Nullable(String)),
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication;

CREATE TABLE IF NOT EXISTS $database.rejects
(
    original_base64 String CODEC(ZSTD),
    original String ALIAS base64Decode(original_base64),
    reason String,
    field LowCardinality(String),
    role LowCardinality(String),
    source_topic LowCardinality(String),
    source_partition Int32,
    source_offset Int64,
    source_index Int64,
    source_index_last Int64,
    elements UInt64,
    original_length UInt64,
    original_sha256 String,
    source_key_base64 String,
    source_key String ALIAS base64Decode(source_key_base64),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    $identity
)
ENGINE = MergeTree ORDER BY (source_topic, time)
SETTINGS $deduplication;
