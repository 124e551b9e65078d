-- The models that were learned, and every step of the gates that tested them.

CREATE TABLE IF NOT EXISTS $database.models
(
    model LowCardinality(String)
        COMMENT 'the production model that it belongs to',
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
        COMMENT 'sha256 of the snapshot, hexadecimal; empty if there is none',
    size_bytes UInt64
        COMMENT 'bytes of the snapshot',
    chunks UInt64
        COMMENT 'number of messages that carry the snapshot',
    python LowCardinality(String)
        COMMENT 'the version of Python that it needs',
    river LowCardinality(String)
        COMMENT 'the version of River',
    numpy LowCardinality(String)
        COMMENT 'the version of NumPy',
    created_at DateTime64(3, 'UTC')
        COMMENT 'when it was published: the clock, UTC',
    reason String
        COMMENT 'why it was published',
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
COMMENT 'One row for each manifest: a learned model was put in charge, a candidate was given to triage, or production is in charge again.';

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
        COMMENT 'the version that wants to be in charge',
    log_evidence Float64
        COMMENT 'natural logarithm of the evidence (an e-value) that the challenger is better',
    log_threshold Float64
        COMMENT 'the evidence at which it is promoted: ln(1/alpha)',
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
COMMENT 'One row for each step of a gate: the evidence for a challenger against the champion, and the decision.';
