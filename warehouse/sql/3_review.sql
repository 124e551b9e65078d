-- Who had to look and what they said. Every transition of a task or a person is a row; tasks_now and people_now have the
-- present state. Password hashes are not kept here.

CREATE TABLE IF NOT EXISTS $database.tasks
(
    task_id String
        COMMENT 'names the task; the same in all its rows',
    lane LowCardinality(String)
        COMMENT 'review, escalate, audit (drawn at random: measures accuracy) or alert',
    model LowCardinality(String)
        COMMENT 'the model',
    state LowCardinality(String)
        COMMENT 'open, settled or expired',
    revision UInt64
        COMMENT 'counts the transitions of the task from 0',
    created_at DateTime64(3, 'UTC')
        COMMENT 'when it was made: the clock, UTC',
    due_at DateTime64(3, 'UTC')
        COMMENT 'when it should be answered: the clock, UTC',
    priority Float64
        COMMENT 'orders the queue, higher first',
    reasons Array(LowCardinality(String))
        COMMENT 'why a person is asked, in words',
    choices Array(LowCardinality(String))
        COMMENT 'the answers offered, in the order of the number keys',
    inclusion_probability Nullable(Float64)
        COMMENT 'the chance, fixed before anyone looked, that the event reaches a person; NULL for a task about an alert',
    uncertainty Nullable(Float64)
        COMMENT '1 - the model''s own probability of its answer; NULL for a task about an alert',
    event_id String
        COMMENT 'the event that it is about; empty for a task about an alert',
    event_time Nullable(DateTime64(3, 'UTC'))
        COMMENT 'when the model was asked: the producer''s time, UTC; NULL for a task about an alert',
    model_version LowCardinality(String)
        COMMENT 'as in predictions',
    features Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'as in predictions',
    features_integer Map(LowCardinality(String), Nullable(Decimal(76, 0)))
        COMMENT 'as in predictions',
    features_text Map(LowCardinality(String), Nullable(String))
        COMMENT 'as in predictions',
    prediction LowCardinality(Nullable(String))
        COMMENT 'the label that the model answered; NULL for a task about an alert',
    confidence Nullable(Float64)
        COMMENT 'the model''s own probability that it is right; NULL for a task about an alert',
    probabilities Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'as in predictions',
    slices Map(LowCardinality(String), Nullable(String))
        COMMENT 'as in predictions',
    content String
        COMMENT 'as in predictions' CODEC(ZSTD),
    learn Nullable(Bool)
        COMMENT 'whether the learned model may learn from its answer; NULL for a task about an alert',
    learned_prediction LowCardinality(Nullable(String))
        COMMENT 'what the learned model in charge answered; NULL where none was',
    learned_version LowCardinality(Nullable(String))
        COMMENT 'its version; NULL where none was',
    alert_id String
        COMMENT 'the alert that it is about; empty for a task about a prediction',
    answer LowCardinality(String)
        COMMENT 'the answer that settled it; __cannot_tell__ if nobody could tell; empty before',
    changed_at Nullable(DateTime64(3, 'UTC'))
        COMMENT 'when it came into this state: the clock, UTC; NULL if that is unknown',
    correction_id String
        COMMENT 'the correction that it led to; empty for none',
    challenger_prediction LowCardinality(Nullable(String))
        COMMENT 'what the model that wants to be in charge answered when the prediction came; NULL where none did',
    challenger_version LowCardinality(Nullable(String))
        COMMENT 'its version; NULL where there was none',
    audit_probability Float64
        COMMENT 'the chance with which the audit sample drew the event; 0 where it did not',
    $identity,
    INDEX by_task task_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, created_at, task_id, revision)
SETTINGS $deduplication
COMMENT 'One row for each transition of a task; the highest revision is its present state (view tasks_now). Leases are not stored.';

CREATE TABLE IF NOT EXISTS $database.opinions
(
    opinion_id String
        COMMENT 'names it',
    task_id String
        COMMENT 'the task that it is about',
    model LowCardinality(String)
        COMMENT 'the model of that task',
    person LowCardinality(String)
        COMMENT 'the person who gave it',
    answer LowCardinality(String)
        COMMENT 'one of the task''s choices; __cannot_tell__; __withdrawn__: takes this person''s earlier answer back; acknowledge or resolve: a request on an alert''s page, not an answer to its task',
    time DateTime64(3, 'UTC')
        COMMENT 'when it was given: the clock, UTC',
    seconds_spent Float64
        COMMENT 'seconds from when the task was shown to the answer; 0 where that is unknown',
    comment String
        COMMENT 'what the person wrote; empty for nothing',
    simulated Bool
        COMMENT 'whether it was a program of the demo',
    $identity
)
ENGINE = MergeTree ORDER BY (model, time, opinion_id)
SETTINGS $deduplication
COMMENT 'One row for each thing that a person said about a task: an answer, the withdrawal of one, or a request on the page of an alert. reviewer_activity counts these apart.';

CREATE TABLE IF NOT EXISTS $database.corrections
(
    correction_id String
        COMMENT 'identifies the correction; a later one with the same id replaces it',
    model LowCardinality(String)
        COMMENT 'the model that was asked',
    model_version LowCardinality(String)
        COMMENT 'as in predictions',
    event_id String
        COMMENT 'the event that it is about',
    time DateTime64(3, 'UTC')
        COMMENT 'when the model was asked: the producer''s time, UTC' CODEC(Delta, ZSTD),
    created_at DateTime64(3, 'UTC')
        COMMENT 'when the answer was given, or the label was joined with its prediction: the clock, UTC' CODEC(Delta, ZSTD),
    label LowCardinality(String)
        COMMENT 'the answer',
    source LowCardinality(String)
        COMMENT 'review: people agreed; adjudication: a senior person decided; label: a late label',
    task_id String
        COMMENT 'the task that it settled; empty for a late label',
    features Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'as in predictions',
    features_integer Map(LowCardinality(String), Nullable(Decimal(76, 0)))
        COMMENT 'as in predictions',
    features_text Map(LowCardinality(String), Nullable(String))
        COMMENT 'as in predictions',
    prediction LowCardinality(String)
        COMMENT 'the label that the model answered',
    confidence Float64
        COMMENT 'the model''s own probability that it is right, from 0 to 1',
    probabilities Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'as in predictions',
    slices Map(LowCardinality(String), Nullable(String))
        COMMENT 'as in predictions',
    inclusion_probability Float64
        COMMENT 'the chance with which the answer was asked for; 1 for a late label',
    audit Bool
        COMMENT 'whether it settled a task of the audit lane',
    reliability Float64
        COMMENT 'the probability that the answer is right, given who gave it, from 0 to 1',
    learn Bool
        COMMENT 'whether the learned model may learn from it',
    learned_prediction LowCardinality(Nullable(String))
        COMMENT 'what the learned model in charge answered; NULL where none was',
    learned_version LowCardinality(Nullable(String))
        COMMENT 'its version; NULL where none was',
    challenger_prediction LowCardinality(Nullable(String))
        COMMENT 'what the model that wants to be in charge answered when the prediction came; NULL where none did',
    challenger_version LowCardinality(Nullable(String))
        COMMENT 'its version; NULL where there was none',
    audit_probability Float64
        COMMENT 'the chance with which the audit sample drew the event; 0 where it did not',
    $identity,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree ORDER BY (model, time, event_id)
SETTINGS $deduplication
COMMENT 'One row for each correction: the settled answer to a task about a prediction, or a late label to learn from.';

CREATE TABLE IF NOT EXISTS $database.people
(
    person_id String
        COMMENT 'what the person signs in with',
    name String
        COMMENT 'the name of the person',
    roles Array(LowCardinality(String))
        COMMENT 'reviewer, on-call, admin',
    disabled Bool
        COMMENT 'whether the account may no longer sign in',
    simulated Bool
        COMMENT 'whether it is a program of the demo',
    version UInt64
        COMMENT 'counts the versions of the account from 0',
    changed_at DateTime64(3, 'UTC')
        COMMENT 'when this version was made: the clock, UTC',
    $identity
)
ENGINE = MergeTree ORDER BY (person_id, version)
SETTINGS $deduplication
COMMENT 'One row for each version of an account; the highest holds (view people_now). Password hashes are not here.';

CREATE TABLE IF NOT EXISTS $database.policies
(
    setting_id String
        COMMENT 'names it',
    kind LowCardinality(String)
        COMMENT 'policy, silence or guideline',
    model LowCardinality(String)
        COMMENT 'the model that it is for; empty for all',
    numbers Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'name to number; a name that is not here gives NULL',
    integers Map(LowCardinality(String), Nullable(Decimal(76, 0)))
        COMMENT 'name to whole number beyond 2^53; a name that is not here gives NULL',
    texts Map(LowCardinality(String), Nullable(String))
        COMMENT 'name to text; a name that is not here gives NULL',
    version UInt64
        COMMENT 'counts its versions from 0',
    changed_at DateTime64(3, 'UTC')
        COMMENT 'when this version was made: the clock, UTC',
    changed_by String
        COMMENT 'the person who made it; empty if unknown',
    $identity
)
ENGINE = MergeTree ORDER BY (setting_id, version)
SETTINGS $deduplication
COMMENT 'One row for each version of a policy, silence or guideline; the highest holds. Reserved: the program writes none yet.';

CREATE TABLE IF NOT EXISTS $database.audit
(
    sequence UInt64
        COMMENT 'counts the acts',
    time DateTime64(3, 'UTC')
        COMMENT 'when it was done: the clock, UTC',
    who String
        COMMENT 'who did it',
    what LowCardinality(String)
        COMMENT 'what they did',
    subject String
        COMMENT 'what it was done to; empty for nothing in particular',
    details Map(LowCardinality(String), Nullable(String))
        COMMENT 'further details by name; a name that is not here gives NULL',
    previous_hash String
        COMMENT 'hash of the act before',
    hash String
        COMMENT 'sha256 over the entry without hash and personal',
    personal Map(LowCardinality(String), Nullable(String))
        COMMENT 'personal values by name, which may be erased; a name that is not here gives NULL',
    $identity
)
ENGINE = MergeTree ORDER BY sequence
SETTINGS $deduplication
COMMENT 'One row for each act of a person, chained by hashes. Reserved: the program writes none yet.';
