-- What producers sent and what triage said of it.
-- Values that were not sent are NULL, not 0 and not ''. So are names that a map lacks: avg(features['age']) is over the
-- events that have an age. Integers beyond 2^53, which doubles do not hold, are in features_integer with all their digits.
-- Rows are kept forever. $identity says which message a row came from; the token of an insert is made of it.

-- Every prediction that could be read, as often as it came. The judged one has the time of its verdict and is the first
-- of these to be stored; copies that came later change nothing (the view review_outcomes has the pairs).
CREATE TABLE IF NOT EXISTS $database.predictions
(
    event_id String
        COMMENT 'names the event; unique within a model, unless it was sent again',
    model LowCardinality(String)
        COMMENT 'the model that was asked',
    model_version LowCardinality(String)
        COMMENT 'the version of the model that the producer gives; empty if it gives none',
    time DateTime64(3, 'UTC')
        COMMENT 'when the model was asked: the producer''s time, UTC' CODEC(Delta, ZSTD),
    features Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'name to number; NULL for a missing value, and for a name that was not sent; whole numbers beyond 2^53 are in features_integer',
    features_integer Map(LowCardinality(String), Nullable(Decimal(76, 0)))
        COMMENT 'name to whole number beyond 2^53, with all its digits; a name that is not here gives NULL',
    features_text Map(LowCardinality(String), Nullable(String))
        COMMENT 'name to text, booleans as true and false; a name that is not here gives NULL',
    prediction LowCardinality(String)
        COMMENT 'the label that the model answered, as text',
    confidence Float64
        COMMENT 'the model''s own probability that it is right, from 0 to 1',
    probabilities Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'label to probability, where the producer sent them; a label that is not here gives NULL',
    slices Map(LowCardinality(String), Nullable(String))
        COMMENT 'subgroups by name, such as region to EU; a name that is not here gives NULL',
    risk Nullable(Float64)
        COMMENT 'how bad a mistake would be, from 0 to 1; NULL if the producer does not say',
    subject String
        COMMENT 'a pseudonym of the person whom it is about; empty for none',
    consent_review Bool
        COMMENT 'whether people may see it',
    consent_learn Bool
        COMMENT 'whether the learned model may learn from it',
    content String
        COMMENT 'what a reviewer sees beside the features: a text, or an address of an image; empty for none' CODEC(ZSTD),
    producer LowCardinality(String)
        COMMENT 'the service that sent it; empty if it gives none',
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication
COMMENT 'One row for each prediction that could be read, as often as it was sent. The judged one is the first of those with the time of the verdict; review_outcomes has the pairs.';

CREATE TABLE IF NOT EXISTS $database.labels
(
    event_id String
        COMMENT 'the event that it is about',
    model LowCardinality(String)
        COMMENT 'the model that was asked',
    label LowCardinality(String)
        COMMENT 'the true answer, as text',
    time DateTime64(3, 'UTC')
        COMMENT 'when the truth was known: the producer''s time, UTC' CODEC(Delta, ZSTD),
    purpose LowCardinality(String)
        COMMENT 'learn: the program learns from it; score: it is only stored',
    source LowCardinality(String)
        COMMENT 'where the producer got it from; empty if it does not say',
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication
COMMENT 'One row for each late label: ground truth that a producer sent, as often as it was sent.';

CREATE TABLE IF NOT EXISTS $database.verdicts
(
    event_id String
        COMMENT 'the event that was judged',
    model LowCardinality(String)
        COMMENT 'the model that was asked',
    model_version LowCardinality(String)
        COMMENT 'the version of the model that the producer gives; empty if it gives none',
    time DateTime64(3, 'UTC')
        COMMENT 'when the model was asked: the producer''s time, UTC' CODEC(Delta, ZSTD),
    decision LowCardinality(String)
        COMMENT 'accept: no person needs to see it; review: a person should; escalate: a rule or its risk sends it to the person on call',
    reasons Array(LowCardinality(String))
        COMMENT 'why, in words',
    uncertainty Float64
        COMMENT '1 - the model''s own probability of its answer, from 0 to 1',
    inclusion_probability Float64
        COMMENT 'the chance, fixed before anyone looked, that the event reaches a person; 0 only where that is not allowed (consent)',
    error_probability Nullable(Float64)
        COMMENT 'the loop''s estimate that the prediction is wrong, from 0 to 1; NULL while it has learned nothing of the model',
    audit Bool
        COMMENT 'whether it was accepted and drawn at random for review',
    policy_version LowCardinality(String)
        COMMENT 'identifies the settings of triage that judged it',
    learned_version LowCardinality(Nullable(String))
        COMMENT 'the version of the learned model in charge; NULL while production was in charge',
    learned_prediction LowCardinality(Nullable(String))
        COMMENT 'what that model answers; NULL while production was in charge',
    task_id String
        COMMENT 'the task that asks people about it; empty where nobody is asked',
    decided_at DateTime64(3, 'UTC')
        COMMENT 'when it was judged: the clock, UTC' CODEC(Delta, ZSTD),
    correction_id String
        COMMENT 'the correction that settled the same question lately; empty for none',
    settled_label LowCardinality(Nullable(String))
        COMMENT 'the label of that correction; NULL for none',
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication
COMMENT 'One row for each verdict: what triage said of a prediction. A retry that came late has a second one; the first, by decided_at, counts.';

CREATE TABLE IF NOT EXISTS $database.rejects
(
    original_base64 String
        COMMENT 'the bytes as they came, in base64; original_length says whether they are all' CODEC(ZSTD),
    original String ALIAS base64Decode(original_base64)
        COMMENT 'the same as bytes; made when it is asked for, and not part of SELECT *',
    reason String
        COMMENT 'what was wrong, and what would be right',
    field LowCardinality(String)
        COMMENT 'the JSON path, or the header, that was wrong; empty if the bytes were no JSON at all',
    role LowCardinality(String)
        COMMENT 'the role that could not use it: intake for a prediction, labels for a late label; drift, learn or record for another message',
    source_topic LowCardinality(String)
        COMMENT 'the topic that it came from',
    source_partition Int32
        COMMENT 'the partition of that topic',
    source_offset Int64
        COMMENT 'the offset of the message in that partition',
    source_index Int64
        COMMENT 'the index of the element, or row, in the message; 0 for the first, or for a whole message',
    source_index_last Int64
        COMMENT 'the index of the last element that it stands for',
    elements UInt64
        COMMENT 'how many elements it stands for; sum these, do not count rows',
    original_length UInt64
        COMMENT 'bytes of the whole original',
    original_sha256 String
        COMMENT 'sha256 of the whole original, hexadecimal, if only its beginning is kept; else empty',
    source_key_base64 String
        COMMENT 'the key of the message, in base64',
    source_key String ALIAS base64Decode(source_key_base64)
        COMMENT 'the same as bytes; made when it is asked for, and not part of SELECT *',
    time DateTime64(3, 'UTC')
        COMMENT 'when it was refused: the clock, UTC' CODEC(Delta, ZSTD),
    $identity
)
ENGINE = MergeTree ORDER BY (source_topic, time)
SETTINGS $deduplication
COMMENT 'One row for what a role could not use: a message, an element of one, or several elements summed up.';
