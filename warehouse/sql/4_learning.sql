-- What the model learned, and every look of the gate at it.

CREATE TABLE IF NOT EXISTS $database.models
(
    model LowCardinality(String)
        COMMENT 'the model that it stands in for',
    version String
        COMMENT 'names the learned model',
    parent String
        COMMENT 'the version before it; empty for none',
    lineage Array(String)
        COMMENT 'all versions it comes from, oldest first',
    recipe LowCardinality(String)
        COMMENT 'stack: a learned model in charge; production: none is; candidate: not in charge, for triage alone',
    corrections UInt64
        COMMENT 'how many corrections it had learned from',
    sha256 String
        COMMENT 'of the snapshot, hexadecimal; empty where there is none',
    size_bytes UInt64
        COMMENT 'bytes of the snapshot',
    chunks UInt64
        COMMENT 'messages that it travels in',
    python LowCardinality(String)
        COMMENT 'the version of Python that it needs',
    river LowCardinality(String)
        COMMENT 'the version of River',
    numpy LowCardinality(String)
        COMMENT 'the version of NumPy',
    created_at DateTime64(3, 'UTC')
        COMMENT 'when it was published: the clock, UTC',
    reason String
        COMMENT 'why it was',
    key_id LowCardinality(String)
        COMMENT 'the key that signed it',
    signature_hex String
        COMMENT 'the signature, hexadecimal',
    sequence UInt64
        COMMENT 'goes up with every manifest of a model',
    topic_id String
        COMMENT 'Kafka''s id of the topic it was signed for',
    $identity
)
ENGINE = MergeTree ORDER BY (model, created_at, version)
SETTINGS $deduplication
COMMENT 'One row a manifest: a learned model that was put in charge, a candidate that triage may ask, or that production is in charge again.';

CREATE TABLE IF NOT EXISTS $database.gates
(
    model LowCardinality(String)
        COMMENT 'the model',
    gate LowCardinality(String)
        COMMENT 'names the gate within the model',
    step UInt64
        COMMENT 'counts its steps',
    corrections UInt64
        COMMENT 'how many corrections of the model had been scored',
    champion String
        COMMENT 'the version in charge, or production',
    challenger String
        COMMENT 'the version that wants to be',
    log_evidence Float64
        COMMENT 'natural logarithm of the evidence (an e-value) that the challenger is better',
    log_threshold Float64
        COMMENT 'where it is promoted: ln(1/alpha)',
    decision LowCardinality(String)
        COMMENT 'continue, promoted, refreshed, refused or rolled_back',
    reason String
        COMMENT 'why, in words',
    approved_by String
        COMMENT 'who approved it; empty where nobody had to',
    time DateTime64(3, 'UTC')
        COMMENT 'when the newest of these corrections was given: the clock, UTC',
    $identity
)
ENGINE = MergeTree ORDER BY (model, time, gate, step)
SETTINGS $deduplication
COMMENT 'One row a step of a gate: what is known of a challenger against the champion, and what was decided.';
